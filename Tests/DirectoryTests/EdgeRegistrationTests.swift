// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Redis
import TestSupport
import Testing

@Suite("When an edge refills the registry")
struct EdgeRegistrationTests {
    private let start = ContinuousClock.now

    private func completed() -> EdgeRegistration {
        var registration = EdgeRegistration(refreshInterval: .seconds(100))
        _ = registration.tick(now: self.start)
        _ = registration.refillEnded(succeeded: true)
        return registration
    }

    @Test("A new edge fills, once, and then keeps its marker")
    func begins() {
        var registration = EdgeRegistration(refreshInterval: .seconds(100))
        #expect(!registration.isComplete)
        #expect(registration.tick(now: self.start) == .refill)
        #expect(registration.tick(now: self.start + .seconds(1)) == .none)
        #expect(registration.refillEnded(succeeded: true) == .none)
        #expect(registration.isComplete)
        #expect(registration.tick(now: self.start + .seconds(2)) == .renewMarker)
        registration.markerRenewed(stands: true)
        #expect(registration.tick(now: self.start + .seconds(3)) == .renewMarker)
    }

    @Test("A missing marker leads to a refill")
    func markerGone() {
        var registration = self.completed()
        #expect(registration.tick(now: self.start) == .renewMarker)
        registration.markerRenewed(stands: false)
        #expect(!registration.isComplete)
        #expect(registration.tick(now: self.start) == .refill)
    }

    @Test("A failed refill is taken back and repeated")
    func refillFails() {
        var registration = EdgeRegistration()
        #expect(registration.tick(now: self.start) == .refill)
        #expect(registration.refillEnded(succeeded: false) == .clearMarker)
        #expect(!registration.isComplete)
        #expect(registration.tick(now: self.start) == .refill)
    }

    @Test("A registration that fails takes the marker away, also during a refill")
    func registrationFails() {
        var registration = self.completed()
        #expect(registration.registrationFailed() == .clearMarker)
        #expect(registration.registrationFailed() == .none)
        #expect(registration.tick(now: self.start) == .refill)
        #expect(registration.registrationFailed() == .none)
        #expect(registration.refillEnded(succeeded: true) == .clearMarker)
        #expect(!registration.isComplete)
        #expect(registration.tick(now: self.start) == .refill)
        #expect(registration.refillEnded(succeeded: true) == .none)
        #expect(registration.isComplete)
    }

    @Test("Entries are refreshed before Redis forgets them")
    func refresh() {
        var registration = self.completed()
        #expect(registration.tick(now: self.start + .seconds(99)) == .renewMarker)
        #expect(registration.tick(now: self.start + .seconds(100)) == .refill)
        #expect(registration.refillEnded(succeeded: true) == .none)
        #expect(registration.tick(now: self.start + .seconds(199)) == .renewMarker)
        #expect(registration.tick(now: self.start + .seconds(200)) == .refill)
    }

    @Test("News that comes late changes nothing")
    func late() {
        var registration = EdgeRegistration()
        registration.markerRenewed(stands: true)
        #expect(registration.refillEnded(succeeded: true) == .none)
        #expect(!registration.isComplete)
        #expect(registration.tick(now: self.start) == .refill)
        registration.markerRenewed(stands: false)
        #expect(registration.refillEnded(succeeded: true) == .none)
        #expect(registration.isComplete)
    }

    @Test("With a real Redis that is emptied and restarted, the edge becomes complete again", .timeLimit(.minutes(1)))
    func carriedOut() async throws {
        let fixture = try await DirectoryFixture()
        let edge = TestEdge("edge-1")
        let sessions = (0..<20).map { _ in
            SessionRegistration(user: .generate(), device: .generate(), location: edge.session())
        }
        var registration = EdgeRegistration()
        func step() async throws -> Bool {
            switch registration.tick(now: .now) {
            case .none: break
            case .renewMarker:
                if let stands = try? await fixture.registry.renewComplete(edge.life) {
                    registration.markerRenewed(stands: stands)
                }
            case .refill:
                let stayed = try? await fixture.registry.refill(edge.life, sessions)
                _ = registration.refillEnded(succeeded: stayed != nil)
            }
            let snapshot = try? await fixture.registry.locations(of: sessions.map(\.user), completenessOf: ["edge-1"])
            return snapshot?.completeEdges == [edge.life] && snapshot?.sessions.count == sessions.count
        }
        try await eventually("the first fill") { try await step() }
        try fixture.server.flushAll()
        try await eventually("the fill after emptying") { try await step() }
        try fixture.server.restart()
        try await eventually("the fill after the restart") { try await step() }
        await fixture.connection.shutdown()
    }
}
