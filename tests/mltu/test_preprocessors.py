import cv2

from mltu.annotations.images import CVImage
from mltu.preprocessors import DarkOnLight, ImageReader


def test_ImageReader_takes_paths_and_arrays(png, line_image):
    path = png()
    image, label = ImageReader(CVImage)(str(path), "text")
    assert (image.shape, image.path, label) == ((40, 200, 3), str(path), "text")
    grey, _ = ImageReader(method=cv2.IMREAD_GRAYSCALE)(line_image, "text")
    assert (grey.numpy() == line_image).all()


def test_DarkOnLight_inverts_light_writing_only(line_image):
    for original in (line_image, cv2.merge([line_image, line_image, line_image])):
        image, label = DarkOnLight()(CVImage(255 - original), "text")
        assert isinstance(image, CVImage)
        assert label == "text"
        assert (image.numpy() == CVImage(original).numpy()).all()
        again, _ = DarkOnLight()(image, "text")
        assert (again.numpy() == CVImage(original).numpy()).all()
