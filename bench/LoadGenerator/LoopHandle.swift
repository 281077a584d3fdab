// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// A loop's part, for whoever is elsewhere.
struct LoopHandle: Sendable {
    private let eventLoop: any EventLoop
    private let loop: NIOLoopBound<LoadLoop>

    static func make(
        number: Int,
        eventLoop: any EventLoop,
        shared: LoadLoop.Shared
    ) async throws -> LoopHandle {
        try await eventLoop.submit {
            let loop = LoadLoop(number: number, eventLoop: eventLoop, shared: shared)
            return LoopHandle(eventLoop: eventLoop, loop: NIOLoopBound(loop, eventLoop: eventLoop))
        }.get()
    }

    /// Runs `body` on the loop.
    func ask<Answer: Sendable>(_ body: @escaping @Sendable (LoadLoop) -> Answer) async throws -> Answer {
        let loop = self.loop
        return try await self.eventLoop.submit { body(loop.value) }.get()
    }
}
