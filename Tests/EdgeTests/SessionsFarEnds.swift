// SPDX-License-Identifier: Apache-2.0

import Directory
import Mesh
import Messaging
import NIOCore
import Synchronization
import Wire

@testable import Edge

/// Links whose far end is the test.
final class ScriptedLinks: RouterLinks {
    struct Request: Sendable {
        var kind: RequestKind?
        var slot: UInt16
        var epoch: UInt64
        var payload: ByteBuffer
        var router: String
        var completion: @Sendable (Result<MeshResponse, MeshError>) -> Void

        func answer(_ body: some WireMessage) {
            self.completion(.success(MeshResponse(status: ResponseStatus.ok.rawValue, payload: body.encoded())))
        }

        func fail(_ failure: Failure) {
            let payload = FailureBody(failure).encoded()
            self.completion(.success(MeshResponse(status: ResponseStatus.failed.rawValue, payload: payload)))
        }

        func moved(_ news: RoutingNews) {
            self.completion(.success(MeshResponse(status: ResponseStatus.moved.rawValue, payload: news.encoded())))
        }

        func lose(_ code: MeshError.Code, mayHaveArrived: Bool) {
            self.completion(.failure(MeshError(code, mayHaveArrived: mayHaveArrived, "as scripted")))
        }
    }

    struct State {
        var routers = ["router-1"]
        /// Of `router-1`, `router-2` …; others have their number.
        var lives: [String: Incarnation] = ["router-1": Incarnation(value: 9)]
        var requests: [Request] = []
        var notifications: [(kind: NotificationKind?, payload: ByteBuffer, router: String)] = []
        var notifyOutcome = SendOutcome.queued
        /// Answers requests as they come; those that it returns false for wait in `requests`.
        var answers: (@Sendable (Request) -> Bool)?
    }

    let state = Mutex(State())
    private let log: EventLog

    init(log: EventLog = EventLog()) {
        self.log = log
    }

    var linkedRouters: [String] { self.state.withLock { $0.routers } }
    var linkedLives: [String: Incarnation] {
        self.state.withLock { state in state.lives.filter { state.routers.contains($0.key) } }
    }

    func request(
        kind: UInt16,
        slot: UInt16,
        epoch: UInt64,
        payload: ByteBuffer,
        to router: String,
        deadline: NIODeadline,
        completion: @escaping @Sendable (Result<MeshResponse, MeshError>) -> Void
    ) {
        let request = Request(
            kind: RequestKind(rawValue: kind),
            slot: slot,
            epoch: epoch,
            payload: payload,
            router: router,
            completion: completion
        )
        self.log.add("request \(request.kind.map { "\($0)" } ?? "?") to \(router)")
        let answers = self.state.withLock { $0.answers }
        if let answers, answers(request) { return }
        self.state.withLock { $0.requests.append(request) }
    }

    func notify(kind: UInt16, payload: ByteBuffer, to router: String, class trafficClass: TrafficClass) -> SendOutcome {
        let kind = NotificationKind(rawValue: kind)
        return self.state.withLock { state in
            guard state.notifyOutcome.isQueued else { return state.notifyOutcome }
            self.log.add("notify \(kind.map { "\($0)" } ?? "?") to \(router)")
            state.notifications.append((kind, payload, router))
            return .queued
        }
    }

    /// The oldest request that has no answer.
    func takeRequest() -> Request? {
        self.state.withLock { $0.requests.isEmpty ? nil : $0.requests.removeFirst() }
    }

    var attachments: [Attachment] {
        self.state.withLock { state in
            state.notifications.filter { $0.kind == .attachment }.compactMap { try? Attachment(decoding: $0.payload) }
        }
    }
}

/// A registry that the test sees into.
final class ScriptedDirectory: SessionDirectory {
    struct State {
        var entries: [DeviceID: SessionLocation] = [:]
        var marker: EdgeLife?
        var life = RegistryLife(serverRunID: "the-first", reign: 1)
        /// What every call fails with.
        var error: DirectoryError?
        /// Registrations wait for this many calls of ``ScriptedDirectory/letRegister()``.
        var holdsRegistrations = false
        var held: [CheckedContinuation<Void, Never>] = []
    }

    let state = Mutex(State())
    private let log: EventLog

    init(log: EventLog = EventLog()) {
        self.log = log
    }

    func letRegister() {
        let held = self.state.withLock { state in
            state.holdsRegistrations = false
            defer { state.held = [] }
            return state.held
        }
        for continuation in held { continuation.resume() }
    }

    var heldCount: Int { self.state.withLock { $0.held.count } }

    var life: RegistryLife { self.state.withLock { $0.life } }

    func register(
        _ user: UserID,
        _ device: DeviceID,
        _ location: SessionLocation
    ) async throws(DirectoryError) -> SessionLocation? {
        await withCheckedContinuation { continuation in
            let goesOn = self.state.withLock { state in
                guard state.holdsRegistrations else { return true }
                state.held.append(continuation)
                return false
            }
            if goesOn { continuation.resume() }
        }
        self.log.add("register")
        return try self.change { state in
            defer { state.entries[device] = location }
            return state.entries[device]
        }
    }

    func unregister(
        _ user: UserID,
        _ device: DeviceID,
        _ location: SessionLocation
    ) async throws(DirectoryError) -> Bool {
        self.log.add("unregister")
        return try self.change { state in
            guard state.entries[device] == location else { return false }
            state.entries[device] = nil
            return true
        }
    }

    func refill(
        _ life: EdgeLife,
        _ registrations: [SessionRegistration]
    ) async throws(DirectoryError) -> [SessionRegistration] {
        self.log.add("refill \(registrations.count)")
        return try self.change { state in
            var newer: [SessionRegistration] = []
            for registration in registrations {
                if let held = state.entries[registration.device], held.session > registration.location.session {
                    newer.append(
                        SessionRegistration(user: registration.user, device: registration.device, location: held)
                    )
                } else {
                    state.entries[registration.device] = registration.location
                }
            }
            state.marker = life
            return newer
        }
    }

    func renewComplete(_ life: EdgeLife) async throws(DirectoryError) -> Bool {
        try self.change { $0.marker == life }
    }

    func clearComplete(_ life: EdgeLife) async throws(DirectoryError) -> Bool {
        self.log.add("clear marker")
        return try self.change { state in
            defer { state.marker = nil }
            return state.marker == life
        }
    }

    private func change<Value>(_ body: (inout State) -> Value) throws(DirectoryError) -> Value {
        try self.state.withLock { (state) throws(DirectoryError) in
            if let error = state.error { throw error }
            return body(&state)
        }
    }
}
