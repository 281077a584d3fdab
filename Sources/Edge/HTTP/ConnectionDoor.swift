// SPDX-License-Identifier: Apache-2.0

internal import ClusterConfiguration
internal import Messaging
internal import NIOHTTP1

/// Whether one new connection may come in. A value of one connection.
///
/// A connection is counted when it is accepted, before anything else is done with it. What a trusted proxy opens is
/// counted with its first request, which says who the client is, and only if that asks for a WebSocket: a proxy sends
/// the requests of many clients over one connection, and those are limited one by one.
struct ConnectionDoor {
    /// Of a connection that was one too many.
    let refusal: Failure?
    private let admission: AdmissionControl
    private let peer: IPAddress?
    private let isProxy: Bool

    /// Counts the connection.
    init(_ admission: AdmissionControl, peer: IPAddress?) {
        self.admission = admission
        self.peer = peer
        let isProxy = peer.map { admission.addressing.isTrusted($0) } ?? false
        self.isProxy = isProxy
        self.refusal =
            isProxy
            ? nil
            : Self.refusal { () throws(Failure) in
                try admission.admitConnection(from: admission.address(of: peer, forwardedFor: []))
            }
    }

    /// What to answer the first request with, or nil.
    func refusal(of head: HTTPRequestHead) -> Failure? {
        // An edge that is busy must not look dead.
        if OperationRoutes.isUnlimited(path: head.uri.prefix { $0 != "?" }) { return nil }
        guard self.isProxy, WebSocketHandshake.matches(target: head.uri) else { return self.refusal }
        let forwardedFor = head.headers[ClientAddressing.fieldName]
        return Self.refusal { () throws(Failure) in
            try self.admission.admitConnection(
                from: self.admission.address(of: self.peer, forwardedFor: forwardedFor)
            )
        }
    }

    private static func refusal(_ question: () throws(Failure) -> Void) -> Failure? {
        do {
            try question()
            return nil
        } catch {
            return error
        }
    }
}
