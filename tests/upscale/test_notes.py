"""What a result cannot keep is said once for each file and counted at the end."""

import struct
import warnings

import numpy as np
import pytest
from PIL import Image

from sr_gan_tf.pictures.metadata import Metadata
from sr_gan_tf.pictures.reading import read_image, write_image
from sr_gan_tf.upscale import main, upscale

IPTC = b"\x1c\x02\x78\x00\x05hello"
TEXT = (b"tEXt", b"parameters\0a cat")


def test_what_is_not_kept_is_said_and_counted(model, cat, tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    write_image(folder / "a.png", cat[:20, :20], metadata=Metadata(iptc=IPTC, texts=(TEXT,)))
    write_image(folder / "b.png", cat[:20, :20], metadata=Metadata(iptc=IPTC))
    write_image(folder / "c.png", cat[:20, :20])
    assert main([str(folder), "--model", model, "-o", str(tmp_path / "png")]) == 0
    assert "not kept" not in capsys.readouterr().err
    assert read_image(tmp_path / "png" / "a.png").metadata.texts == (TEXT,)
    assert main([str(folder), "--model", model, "-o", str(tmp_path / "webp"), "--format", "webp"]) == 0
    notes = capsys.readouterr().err.splitlines()
    assert [line for line in notes if "not kept" in line] == [
        f"note: {folder}/a.png: not kept: IPTC, text 'parameters'",
        f"note: {folder}/b.png: not kept: IPTC",
    ]
    assert sum("2 of 3 pictures" in line for line in notes) == 1
    # Who leaves everything out wants no list of it.
    assert main([str(folder), "--model", model, "-o", str(tmp_path / "bare"), "--format", "webp", "--strip"]) == 0
    assert "not kept" not in capsys.readouterr().err


def test_samples_that_are_lost_are_said(model, cat, tmp_path, capsys):
    deep, alpha = cat[:20, :20].astype(np.uint16) * 257, np.full((20, 20), 999, np.uint16)
    write_image(tmp_path / "a.png", deep, alpha)
    assert main([str(tmp_path / "a.png"), "--model", model, "-o", str(tmp_path / "a.jpg")]) == 0
    assert "not kept: more than 8 bits per sample, transparency (shown over white)" in capsys.readouterr().err
    assert main([str(tmp_path / "a.png"), "--model", model, "-o", str(tmp_path / "a.tif")]) == 0
    assert "not kept" not in capsys.readouterr().err


def test_one_note_does_not_hide_another(model, cat, tmp_path, capsys):
    pages = [Image.fromarray(np.ascontiguousarray(cat[:16, :16]))] * 2
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert main([str(tmp_path / "a.tif"), "--model", model, "-o", str(tmp_path / "b.tif"), "--scale", "5"]) == 0
    said = capsys.readouterr().err
    assert "only the first of 2 pages" in said
    assert "bicubic interpolation" in said


def test_from_python_notes_are_warnings(model, cat, tmp_path):
    write_image(tmp_path / "a.png", cat[:20, :20], metadata=Metadata(iptc=IPTC))
    with pytest.warns(UserWarning, match=r"a\.png: not kept: IPTC") as caught:
        names = upscale(tmp_path / "a.png", tmp_path / "a.webp", model=model)
    assert names == [str(tmp_path / "a.webp")]
    assert caught[0].filename == __file__
    with warnings.catch_warnings(record=True) as caught:
        upscale(tmp_path / "a.png", tmp_path / "b.png", model=model)
    assert not caught


def test_metadata_through_the_command(model, cat, tmp_path, capsys):
    """Bytes beyond ASCII, sizes of a panorama, a video that is gone, and a size that grows with the picture."""
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" '
        b'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1" '
        b'GPano:FullPanoWidthPixels="20"/></rdf:RDF></x:xmpmeta>'
    )
    artist = "写真家 é\0".encode()
    exif = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x013B, 2, len(artist), 26, 0) + artist
    path = tmp_path / "in.jpg"
    Image.fromarray(np.ascontiguousarray(cat[:20, :20])).save(path, exif=b"Exif\0\0" + exif, xmp=packet)
    for suffix in ("jpg", "png", "tif", "webp", "avif"):
        target = tmp_path / f"out.{suffix}"
        assert main([str(path), "--model", model, "-o", str(target)]) == 0
        assert "not kept: video" in capsys.readouterr().err
        assert artist in target.read_bytes()
        found = read_image(target).metadata.xmp
        assert b'FullPanoWidthPixels="40"' in found
        assert b"MotionPhoto" not in found


def test_nothing_is_said_about_the_network_of_a_picture_that_cannot_be_read(cat, tmp_path, capsys):
    write_image(tmp_path / "whole.jpg", cat)
    cut = tmp_path / "cut.jpg"
    cut.write_bytes((tmp_path / "whole.jpg").read_bytes()[:-400])
    assert main([str(cut), "-o", str(tmp_path / "out.png")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["error"]
    assert "the file ends after" in lines[0]


def test_a_note_that_many_pictures_share_is_said_once(model, cat, tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(6):
        write_image(folder / f"{number}.png", cat[:16, :16])
    assert main([str(folder), "--model", model, "-o", str(tmp_path / "out"), "--scale", "5"]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "beyond" in line]
    assert len(said) == 1
    assert said[0].startswith("note: 6 pictures: enlarged beyond")
