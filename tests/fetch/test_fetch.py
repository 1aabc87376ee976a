"""Registered sets from a server on this machine, to their place and back through the readers."""

import io
import json
import tarfile

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from scrcl import datasets
from scrcl._validate import InputError
from scrcl.cli import main, main_st
from scrcl.data.read import read
from scrcl.fetch import ORIGINS, fetch
from tests.data.visium import write_10x_h5
