from pathlib import Path

import numpy as np
import pandas as pd

from mammo_steps import list_lesions


def test_mini_mias_circles_become_rows_of_the_films_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "Info.txt").write_text(
        "mdb001 G CIRC M 535 425 197\nmdb002 G CIRC B 522 280 69\nmdb003 D NORM\n"
    )
    film = np.zeros((1024, 1024), np.uint8)
    film[100:900, 200:800] = 50
    (tmp_path / "mdb001.pgm").write_bytes(b"P5\n1024 1024\n255\n" + film.tobytes())
    list_lesions.main(
        ["--dataset", "mini_mias", "--labels", str(tmp_path / "Info.txt"), "--archive", str(tmp_path)]
        + ["--lesions", str(tmp_path / "lesions.csv")]
    )
    (lesion,) = pd.read_csv(tmp_path / "lesions.csv").itertuples()
    # 425 counted from the bottom of 1024 rows is row 598 from the top; the padding cut off begins at (100, 200)
    assert (lesion.image_id, lesion.malignant, lesion.radius_px) == ("mdb001", 1, 197)
    assert (lesion.row, lesion.col) == (598 - 100, 535 - 200)
