# The CloudStack simulator of the tests, for deploy/compose.yaml: not for production.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ make pkg-config libssl-dev zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN cargo build --locked --package testbed --bin testbed

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /build/target/debug/testbed /usr/local/bin/testbed
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/testbed"]
