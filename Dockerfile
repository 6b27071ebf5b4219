# syntax=docker/dockerfile:1
# Grading in a container: docker build -t rltf . && docker run --rm --security-opt seccomp=unconfined rltf doctor
# The sandbox makes namespaces of its own, which Docker's default profile forbids: without that option they are missing,
# and `rltf doctor` says so. Where the host has AppArmor (Debian, Ubuntu), --security-opt apparmor=unconfined as well: its
# profile for containers forbids mounts. `rltf doctor` ends with status 1 while a layer is missing.
# EXTRAS chooses what comes with it: --build-arg EXTRAS=[serve], [models], …

FROM python:3.13-slim-bookworm AS base
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libseccomp2 \
    && rm -rf /var/lib/apt/lists/*

# For .devcontainer: the checkout is mounted, `make env` makes .venv there.
FROM base AS development
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home dev
# By name: an editor gives dev the number of the user outside.
# hadolint ignore=DL3066
USER dev

FROM base AS build
WORKDIR /source
COPY . .
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM base AS release
ARG EXTRAS=""
# hadolint ignore=DL3013
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    wheel=$(echo /wheels/*.whl) && python -m pip install --no-cache-dir "${wheel}${EXTRAS}" \
    && useradd --create-home --uid 1000 grader
# By number: Kubernetes' runAsNonRoot takes no name.
USER 1000
WORKDIR /home/grader
ENTRYPOINT ["rltf"]
CMD ["--help"]
