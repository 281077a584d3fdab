// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Redis

@Suite("Queue of requests")
struct RequestQueueTests {
    private let start = ContinuousClock.now

    private func queue(_ change: (inout RedisConfiguration) -> Void = { _ in }) -> RequestQueue {
        var configuration = RedisConfiguration(endpoint: RedisEndpoint(host: "unused"))
        change(&configuration)
        return RequestQueue(configuration: configuration)
    }

    private func request(_ names: String..., at: ContinuousClock.Instant? = nil) -> RedisRequest {
        RedisRequest(commands: names.map { RedisCommand($0) }, submittedAt: at ?? self.start) { _ in }
    }

    private func names(_ requests: [RedisRequest]) -> [[String]] {
        requests.map { $0.commands.map { String(decoding: $0.bytes, as: UTF8.self) } }
    }

    @Test("The thread is woken once for all that arrives while it sleeps")
    func wakesOnce() {
        var queue = self.queue()
        #expect(queue.submit(self.request("A")).isNone)
        #expect(self.names(queue.nextBatch(now: self.start).requests) == [["A"]])
        #expect(queue.submit(self.request("B")).isNone)
        #expect(self.names(queue.nextBatch(now: self.start).requests) == [["B"]])
        #expect(queue.nextBatch(now: self.start).isEmpty)
        #expect(queue.submit(self.request("C")).isWake)
        #expect(queue.submit(self.request("D")).isNone)
        #expect(self.names(queue.nextBatch(now: self.start).requests) == [["C"], ["D"]])
    }

    @Test("A pipeline keeps to its bound, and a larger request goes alone")
    func pipelineBound() {
        var queue = self.queue { $0.pipelineCommandsMax = 3 }
        for request in [self.request("A", "B"), self.request("C"), self.request("D"), self.request("E", "F", "G", "H")]
        {
            _ = queue.submit(request)
        }
        _ = queue.submit(self.request("I"))
        #expect(self.names(queue.nextBatch(now: self.start).requests) == [["A", "B"], ["C"]])
        #expect(self.names(queue.nextBatch(now: self.start).requests) == [["D"]])
        #expect(self.names(queue.nextBatch(now: self.start).requests) == [["E", "F", "G", "H"]])
        #expect(self.names(queue.nextBatch(now: self.start).requests) == [["I"]])
    }

    @Test("What is on the wire counts until it is answered")
    func commandBound() {
        var queue = self.queue { $0.queuedCommandsMax = 2 }
        let first = self.request("A")
        _ = queue.submit(first)
        _ = queue.submit(self.request("B"))
        #expect(queue.submit(self.request("C")).code == .overloaded)
        _ = queue.nextBatch(now: self.start)
        #expect(queue.submit(self.request("C")).code == .overloaded)
        queue.finished(first)
        #expect(queue.submit(self.request("C")).code == nil)
        #expect(queue.submit(self.request("D", "E", "F")).code == .requestTooLarge)
    }

    @Test("Bytes are bounded as well, and all of them come back")
    func byteBound() {
        let size = self.request("0123456789").wireBytes
        var queue = self.queue { $0.queuedBytesMax = size * 2 }
        let requests = [self.request("0123456789"), self.request("abcdefghij")]
        for request in requests {
            #expect(queue.submit(request).code == nil)
        }
        #expect(queue.submit(self.request("x")).code == .overloaded)
        _ = queue.nextBatch(now: self.start)
        requests.forEach { queue.finished($0) }
        #expect(queue.heldBytes == 0)
        #expect(queue.heldCommands == 0)
    }

    @Test("Without a connection nothing is accepted; while the first attempt lasts, everything is")
    func availability() {
        var queue = self.queue()
        _ = queue.submit(self.request("A"))
        let failed = queue.becameUnavailable(RedisError(.unavailable, "away"))
        #expect(self.names(failed) == [["A"]])
        #expect(queue.submit(self.request("B")).code == .unavailable)
        queue.connected(now: self.start)
        #expect(queue.submit(self.request("C")).code == nil)
        queue.reconnectingAtOnce()
        #expect(queue.submit(self.request("D")).code == nil)
        queue.stop()
        #expect(queue.submit(self.request("E")).code == .shutDown)
        queue.connected(now: self.start)
        #expect(queue.submit(self.request("F")).code == .shutDown)
        #expect(self.names(queue.takeAll()) == [["C"], ["D"]])
    }

    @Test("Time that passed until there was a connection does not count")
    func waitedForConnection() {
        var queue = self.queue { $0.commandTimeout = .seconds(1) }
        _ = queue.submit(self.request("A"))
        queue.connected(now: self.start + .seconds(5))
        let batch = queue.nextBatch(now: self.start + .milliseconds(5900))
        #expect(self.names(batch.requests) == [["A"]])
        #expect(batch.expired.isEmpty)
    }

    @Test("A request that waited for longer than the command timeout is not sent any more")
    func expiry() {
        var queue = self.queue { $0.commandTimeout = .seconds(1) }
        _ = queue.submit(self.request("OLD"))
        _ = queue.submit(self.request("NEW", at: self.start + .milliseconds(600)))
        let batch = queue.nextBatch(now: self.start + .milliseconds(1500))
        #expect(self.names(batch.expired) == [["OLD"]])
        #expect(self.names(batch.requests) == [["NEW"]])
    }
}

extension RequestQueue.SubmitAction {
    fileprivate var isNone: Bool { if case .none = self { true } else { false } }
    fileprivate var isWake: Bool { if case .wakeThread = self { true } else { false } }
    fileprivate var code: RedisError.Code? { if case .refuse(let error) = self { error.code } else { nil } }
}

@Suite("Delay before connecting again")
struct ReconnectDelayTests {
    @Test("Doubles up to the bound")
    func doubles() {
        var delay = ReconnectDelay(minimum: .milliseconds(50), maximum: .milliseconds(300))
        let delays = (0..<5).map { _ in delay.attemptFailed(random: 0) }
        #expect(delays == [50, 100, 200, 300, 300].map { .milliseconds($0) })
    }

    @Test("Jitter takes at most half away")
    func jitter() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<1000 {
            var delay = ReconnectDelay(minimum: .milliseconds(50), maximum: .seconds(2))
            let random = Double.random(in: 0..<1, using: &generator)
            let first = delay.attemptFailed(random: random)
            #expect(first > .milliseconds(25) && first <= .milliseconds(50), "random \(random)")
        }
    }

    @Test("A connection that lived is tried again at once, one that did not is a failed attempt")
    func lost() {
        var delay = ReconnectDelay(minimum: .milliseconds(50), maximum: .seconds(2))
        func isAlive(_ life: Duration) -> Bool { delay.connectionLived(for: life) }
        #expect(!isAlive(.milliseconds(1)))
        #expect(delay.attemptFailed(random: 0) == .milliseconds(50))
        #expect(!isAlive(.milliseconds(1)))
        #expect(delay.attemptFailed(random: 0) == .milliseconds(100))
        #expect(isAlive(.seconds(2)))
        #expect(delay.attemptFailed(random: 0) == .milliseconds(50))
    }
}
