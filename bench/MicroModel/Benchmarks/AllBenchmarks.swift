// SPDX-License-Identifier: Apache-2.0

extension Benchmark {
    /// Every benchmark that needs nothing but a processor, in the order in which they are told.
    package static let all: [Benchmark] =
        Self.wire + Self.blocks + Self.clientProtocol + Self.placement + Self.audience + Self.relay + Self.writer
}
