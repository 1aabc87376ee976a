# docker build --tag scrcl .                              the CPU
# docker build --tag scrcl --build-arg TORCH=cu126 .      CUDA 12.6; run it with --gpus all
# docker run --rm --volume "$PWD:/data" scrcl run --input cells.h5ad
FROM python:3.11-slim

# Which build of PyTorch: cpu, or one of the CUDA builds of https://download.pytorch.org/whl.
ARG TORCH=cpu

ENV MPLBACKEND=Agg \
    NUMBA_CACHE_DIR=/tmp/numba \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

# PyTorch first: the largest layer, and the one that changes least.
WORKDIR /opt/scrcl
COPY requirements.txt .
RUN pip install --index-url "https://download.pytorch.org/whl/${TORCH}" \
        "$(grep '^torch==' requirements.txt)" \
    && pip install --requirement requirements.txt

COPY pyproject.toml README.md LICENSE ./
COPY configs configs
COPY scrcl scrcl
RUN pip install --no-deps .

RUN useradd --create-home user
USER user
WORKDIR /data
ENTRYPOINT ["scrcl"]
