# SPDX-License-Identifier: Apache-2.0
"""CTs and masks that train and come in no package: where each is published, what it must be, and under which licence.

With ``fetch.KNOWN`` this lists all that trains the shipped weights. None is fetched by this project: each is downloaded
once from its address (an archive of DICOM files, or a file of a repository) into the folder that ``SOURCES`` and
``masks/spines.csv`` name, below the folder of development data. ``python -m vcf_training.data.published`` then says
whether what lies there is what was learnt from.
"""

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path

from vcf_contract.errors import SetupError
from vcf_training.data.sources import SOURCES, Where

TCIA = "https://services.cancerimagingarchive.net/nbia-api/services/v1/getImage?SeriesInstanceUID="
"""The Cancer Imaging Archive's address of a series, as a ZIP archive of DICOM files."""


@dataclass(frozen=True)
class Published:
    """A CT or a mask.

    address
        Of the series or the file; of a mask of TotalSegmentator's data set, of the archive that it is in.
    sha256
        Of a CT's voxels as ``Source.read`` gives them (int16, z, y, x), whatever way they are compressed in the files;
        of a mask, the file's.
    """

    address: str
    sha256: str
    licence: str


def _series(uid: str, sha256: str, licence: str) -> Published:
    return Published(TCIA + uid, sha256, licence)


PUBLISHED: dict[str, Published] = {
    "shared/ct/crlm-ct-1006": _series(
        "1.3.6.1.4.1.14519.5.2.1.9203.8273.286130801613533577338339572281",
        "5e07725de8517284e7a43c59761730417ade08ddc7d0cb4141d553bce6ebe929",
        "CC BY 4.0, TCIA Colorectal-Liver-Metastases",
    ),
    "shared/ct/lung-pet-ct-dx-a0001-kernel-b": _series(
        "1.3.6.1.4.1.14519.5.2.1.6655.2359.213534032021332276911485641315",
        "2e2d5b070a62863fc192450fb2620da1658bf8910a99ee16e37ff35b74e4d51b",
        "CC BY 4.0, TCIA Lung-PET-CT-Dx",
    ),
    "shared/ct/hcc002": _series(
        "1.3.6.1.4.1.14519.5.2.1.1706.8374.291108858467809891631011685789",
        "eb2c16798efb5cc710114bc52e030fc4f03b7c83b6cff9499e9bd75496bf6b85",
        "CC BY 4.0, TCIA HCC-TACE-Seg",
    ),
    "shared/ct/hcc006": _series(
        "1.3.6.1.4.1.14519.5.2.1.1706.8374.169644075146766664505907245033",
        "24f22979238414aba0d836ae5a8ed1d30281c20baa731d85dcb2797a1bc88589",
        "CC BY 4.0, TCIA HCC-TACE-Seg",
    ),
    "shared/ct/hcc013": _series(
        "1.3.6.1.4.1.14519.5.2.1.1706.8374.105041044715379537407109902874",
        "58b9a30374cb3d39da0038536a7ffc9190923aeb3d0dc2c89807bbf12defcbfe",
        "CC BY 4.0, TCIA HCC-TACE-Seg",
    ),
    "shared/ct/rider0109": _series(
        "1.3.6.1.4.1.9328.50.1.54659",
        "24d37dd6d80e8c1706ba755dfb3ff3a88c1de04fa1dd93441385c55b3d0cd094",
        "CC BY 3.0, TCIA RIDER",
    ),
    "shared/ct/acrin013": _series(
        "1.3.6.1.4.1.14519.5.2.1.7009.2401.288170261001662679765839634982",
        "6ced236461e8dac09d03679a5634b7d94800058595a313cffb57d50f4175e919",
        "CC BY 3.0, TCIA ACRIN-FLT-Breast",
    ),
    "shared/ct/lungx-ct004": _series(
        "1.3.577127236064391293961915047637903935084441219249",
        "55b7fb3796fe06b59123cdb1fa72c6e89e6debc21303d38a79ce0578a4c69e3b",
        "CC BY 3.0, TCIA SPIE-AAPM LUNGx",
    ),
    "shared/spine-masks/healthivert-0007/0007_msk.nii.gz": Published(
        "https://github.com/zhibaishouheilab/HealthiVert-GAN",
        "c319b8334a76518466e3aa914860f7e30becd157c6f7e544198ed097f2a0b97a",
        "MIT, HealthiVert-GAN",
    ),
    "shared/spine-masks/totalseg-s0327/s0327_vert_msk.nii.gz": Published(
        "https://doi.org/10.5281/zenodo.6802613",
        "5f5d0b9b4455d319e15dbdacc9428666c837a21273961f0c91f3944c10eba426",
        "CC BY 4.0, TotalSegmentator data",
    ),
    "shared/spine-masks/totalseg-s0328/s0328_vert_msk.nii.gz": Published(
        "https://doi.org/10.5281/zenodo.6802613",
        "0813b3f86df87e6678301454a3956e7bc6cdd14f1dd35aa79d60154b69fc4891",
        "CC BY 4.0, TotalSegmentator data",
    ),
    "shared/verse/sub-sample001/sample_dataset/derivatives/sub-sample001/sub-sample001_seg-vert_msk.nii.gz": Published(
        "https://github.com/malekosh/deep-learning-models-for-the-differentiation-of-osteoporotic-and-malignant-"
        "vertebral-fractures",
        "a96817accf10e3feb3924b60483a5045ee72ec37e52d8369e1eda581200dd780",
        "MIT, example of a classifier of osteoporotic and malignant fractures",
    ),
}


def found_sha256(name: str, where: Where) -> str:
    """The hash of what lies at hand of an entry.

    Raises
    ------
    SetupError
        If it is not at hand.
    """
    if name in SOURCES:
        return hashlib.sha256(SOURCES[name].read(where).hu.tobytes()).hexdigest()
    inside = Path(name).relative_to("shared")
    return hashlib.sha256((where.folder(str(inside.parent)) / inside.name).read_bytes()).hexdigest()


def main() -> int:
    """List every entry with what lies at hand; 1 where that is not what was learnt from."""
    parser = argparse.ArgumentParser(prog="python -m vcf_training.data.published", description=__doc__)
    parser.add_argument("--shared-data", type=Path, help="folder of development data (default: $VCF_SHARED_DATA)")
    where, wrong = Where(parser.parse_args().shared_data), False
    for name, entry in PUBLISHED.items():
        try:
            same = found_sha256(name, where) == entry.sha256
            state = "as learnt from" if same else "another than was learnt from"
        except SetupError:
            same, state = True, f"missing: {entry.address}"
        wrong |= not same
        print(f"{name}: {state} ({entry.licence})")
    return int(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
