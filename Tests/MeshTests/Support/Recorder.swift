// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Synchronization

@testable import Mesh

/// A delegate that keeps what it is told, and does with requests what the test wants.
final class Recorder: MeshDelegate {
    enum Event: Equatable {
        case up(PeerIdentity)
        case down(PeerIdentity, String)
        case request(kind: UInt16, String)
        case notification(kind: UInt16, String)
        case readComplete
    }

    private struct State {
        var events: [Event] = []
        var held: [InboundRequest] = []
    }

    private let state = Mutex(State())
    private let onRequest: @Sendable (InboundRequest) -> Bool

    /// - Parameter onRequest: whether it took care of the request; otherwise it is held.
    init(onRequest: @escaping @Sendable (InboundRequest) -> Bool = { _ in false }) {
        self.onRequest = onRequest
    }

    /// Answers each request with its own payload and the status 7.
    static func echo() -> Recorder {
        Recorder { request in request.reply(status: 7, payload: request.payload) }
    }

    var events: [Event] { self.state.withLock { $0.events } }
    var held: [InboundRequest] { self.state.withLock { $0.held } }

    var links: [Event] {
        self.events.filter {
            switch $0 {
            case .up, .down: true
            case .request, .notification, .readComplete: false
            }
        }
    }

    var downReasons: [String] {
        self.events.compactMap { if case .down(_, let reason) = $0 { reason } else { nil } }
    }

    var traffic: [Event] {
        self.events.filter {
            switch $0 {
            case .request, .notification: true
            case .up, .down, .readComplete: false
            }
        }
    }

    func takeHeld() -> [InboundRequest] {
        self.state.withLock { state in
            defer { state.held = [] }
            return state.held
        }
    }

    func meshLinkUp(_ peer: PeerIdentity) { self.add(.up(peer)) }
    func meshLinkDown(_ peer: PeerIdentity, reason: String) { self.add(.down(peer, reason)) }

    func meshRequest(_ request: InboundRequest) {
        self.add(.request(kind: request.kind, Self.text(request.payload)))
        if !self.onRequest(request) { self.state.withLock { $0.held.append(request) } }
    }

    func meshNotification(kind: UInt16, payload: ByteBuffer, from peer: PeerIdentity) {
        self.add(.notification(kind: kind, Self.text(payload)))
    }

    func meshReadComplete(from peer: PeerIdentity) { self.add(.readComplete) }

    /// Short payloads are texts; of long ones the number of bytes is kept.
    private static func text(_ payload: ByteBuffer) -> String {
        payload.readableBytes <= 100 ? String(buffer: payload) : "\(payload.readableBytes) bytes"
    }

    private func add(_ event: Event) { self.state.withLock { $0.events.append(event) } }
}
