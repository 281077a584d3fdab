// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Redis
import TestSupport
import Testing

@Suite("When an edge refills the registry")
struct EdgeRegistrationTests {
    private let start = ContinuousClock.now
    private let life = RegistryLife(serverRunID: "a", reign: 1)
    private let nextLife = RegistryLife(serverRunID: "b", reign: 2)

    private func completed() -> EdgeRegistration {
        var registration = EdgeRegistration(refreshInterval: .seconds(100))
        _ = registration.tick(now: self.start, life: self.life)
        _ = registration.refillEnded(succeeded: true, life: self.life)
        return registration
    }

    @Test("A new edge fills, once, and then keeps its marker")
    func begins() {
        var registration = EdgeRegistration(refreshInterval: .seconds(100))
        #expect(registration.completeIn == nil)
        #expect(registration.tick(now: self.start, life: self.life) == .refill)
        #expect(registration.tick(now: self.start + .seconds(1), life: self.life) == .none)
        #expect(registration.refillEnded(succeeded: true, life: self.life) == .none)
        #expect(registration.completeIn == self.life)
        #expect(registration.tick(now: self.start + .seconds(2), life: self.life) == .renewMarker)
        registration.markerRenewed(stands: true)
        #expect(registration.tick(now: self.start + .seconds(3), life: self.life) == .renewMarker)
    }

    @Test("A missing marker leads to a refill")
    func markerGone() {
        var registration = self.completed()
        #expect(registration.tick(now: self.start, life: self.life) == .renewMarker)
        registration.markerRenewed(stands: false)
        #expect(registration.completeIn == nil)
        #expect(registration.tick(now: self.start, life: self.life) == .refill)
    }

    @Test("A failed refill is taken back and repeated")
    func refillFails() {
        var registration = EdgeRegistration()
        #expect(registration.tick(now: self.start, life: self.life) == .refill)
        #expect(registration.refillEnded(succeeded: false, life: self.life) == .clearMarker)
        #expect(registration.completeIn == nil)
        #expect(registration.tick(now: self.start, life: self.life) == .refill)
    }

    @Test("A registration that fails takes the marker away, also during a refill")
    func registrationFails() {
        var registration = self.completed()
        #expect(registration.registrationFailed() == .clearMarker)
        #expect(registration.registrationFailed() == .none)
        #expect(registration.tick(now: self.start, life: self.life) == .refill)
        #expect(registration.registrationFailed() == .none)
        #expect(registration.refillEnded(succeeded: true, life: self.life) == .clearMarker)
        #expect(registration.completeIn == nil)
        #expect(registration.tick(now: self.start, life: self.life) == .refill)
        #expect(registration.refillEnded(succeeded: true, life: self.life) == .none)
        #expect(registration.completeIn == self.life)
    }

    @Test(
        "In another life of the registry the edge is not complete: with the next look, or as soon as it registers there"
    )
    func anotherLife() {
        var registration = self.completed()
        registration.registered(in: self.life)
        #expect(registration.completeIn == self.life)
        #expect(registration.tick(now: self.start, life: self.nextLife) == .refill)
        #expect(registration.completeIn == nil)
        #expect(registration.refillEnded(succeeded: true, life: self.nextLife) == .none)
        #expect(registration.completeIn == self.nextLife)
        registration.registered(in: self.life)
        #expect(registration.completeIn == nil)
        #expect(registration.tick(now: self.start, life: self.life) == .refill)
    }

    @Test("The same server counts as another one after it has been a replica")
    func anotherReign() {
        var registration = self.completed()
        let again = RegistryLife(serverRunID: self.life.serverRunID, reign: 3)
        #expect(registration.tick(now: self.start, life: again) == .refill)
    }

    @Test("A refill that began in one life and ended in another, or met a session of another, is repeated")
    func lifeChangesDuringRefill() {
        var registration = EdgeRegistration()
        #expect(registration.tick(now: self.start, life: self.life) == .refill)
        #expect(registration.refillEnded(succeeded: true, life: self.nextLife) == .clearMarker)
        #expect(registration.completeIn == nil)
        #expect(registration.tick(now: self.start, life: self.life) == .refill)
        registration.registered(in: self.nextLife)
        #expect(registration.refillEnded(succeeded: true, life: self.life) == .clearMarker)
        #expect(registration.tick(now: self.start, life: self.nextLife) == .refill)
        registration.registered(in: self.nextLife)
        #expect(registration.refillEnded(succeeded: true, life: self.nextLife) == .none)
        #expect(registration.completeIn == self.nextLife)
    }

    @Test("Entries are refreshed before Redis forgets them")
    func refresh() {
        var registration = self.completed()
        #expect(registration.tick(now: self.start + .seconds(99), life: self.life) == .renewMarker)
        #expect(registration.tick(now: self.start + .seconds(100), life: self.life) == .refill)
        #expect(registration.refillEnded(succeeded: true, life: self.life) == .none)
        #expect(registration.tick(now: self.start + .seconds(199), life: self.life) == .renewMarker)
        #expect(registration.tick(now: self.start + .seconds(200), life: self.life) == .refill)
    }

    @Test("News that comes late changes nothing")
    func late() {
        var registration = EdgeRegistration()
        registration.markerRenewed(stands: true)
        #expect(registration.refillEnded(succeeded: true, life: self.life) == .none)
        #expect(registration.completeIn == nil)
        #expect(registration.tick(now: self.start, life: self.life) == .refill)
        registration.markerRenewed(stands: false)
        #expect(registration.refillEnded(succeeded: true, life: self.life) == .none)
        #expect(registration.completeIn == self.life)
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
            switch registration.tick(now: .now, life: fixture.registry.life) {
            case .none: break
            case .renewMarker:
                if let stands = try? await fixture.registry.renewComplete(edge.life) {
                    registration.markerRenewed(stands: stands)
                }
            case .refill:
                let stayed = try? await fixture.registry.refill(edge.life, sessions)
                _ = registration.refillEnded(succeeded: stayed != nil, life: fixture.registry.life)
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
