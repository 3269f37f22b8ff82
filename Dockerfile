# What reads handwriting, as an image of its own:
#
#     docker build --tag handwriting .
#     docker run --rm --volume "$PWD":/data handwriting line.png
#     docker run --rm --volume "$PWD":/data --user "$(id -u):$(id -g)" handwriting scans/ --output read.csv
#
# Files are named as in the current folder, which is mounted as /data; --user lets it write there as you.
# .dockerignore lists what is copied.
FROM python:3.13-slim
RUN useradd --create-home reader
COPY requirements-read.txt /app/
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore -r /app/requirements-read.txt
COPY . /app/
RUN python -m compileall -q /app
USER reader
WORKDIR /data
ENTRYPOINT ["python", "/app/inferenceModel.py"]
CMD ["--help"]
