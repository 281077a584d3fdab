// SPDX-License-Identifier: Apache-2.0

import Mesh
import Messaging
import NIOCore
import Synchronization
import Wire

@testable import Edge

/// One text is good, one has expired, all others are none.
struct OneToken: TokenVerifier {
    static let text = "good"

    func verify(accessToken: String) throws(Failure) -> AccessClaims {
        switch accessToken {
        case Self.text: AccessClaims(user: SessionUnderTest.user, device: SessionUnderTest.device, expiresAt: .max)
        case "expired": throw Failure(.tokenExpired, "It has expired.")
        default: throw Failure(.unauthenticated, "It is not one.")
        }
    }
}

/// Makes sessions known at once.
final class ImmediateOpener: SessionOpening {
    private struct State {
        var open = 0
        var closed = 0
        var lastSession: SessionID?
    }

    private let state = Mutex(State())

    var open: Int { self.state.withLock { $0.open } }
    var closed: Int { self.state.withLock { $0.closed } }
    var lastSession: SessionID? { self.state.withLock { $0.lastSession } }

    func open(
        _ owner: Session.Owner,
        _ session: SessionID,
        loop: Int,
        on eventLoop: any EventLoop,
        completion: @escaping @Sendable (SessionOpener.Outcome) -> Void
    ) {
        self.state.withLock { state in
            state.open += 1
            state.lastSession = session
        }
        eventLoop.execute { completion(.opened) }
    }

    func close(_ owner: Session.Owner, _ session: SessionID, on eventLoop: any EventLoop) -> EventLoopFuture<Void> {
        self.state.withLock { $0.closed += 1 }
        return eventLoop.makeSucceededVoidFuture()
    }
}

/// Requests that wait until the test gives them an end.
final class HeldLinks: RouterLinks {
    static let scripted = "as scripted"

    private typealias Completion = @Sendable (Result<MeshResponse, MeshError>) -> Void

    private let held = Mutex<[Completion]>([])

    var linkedRouters: [String] { ["router-1"] }
    var linkedLives: [String: Incarnation] { ["router-1": Incarnation(value: 1)] }
    var count: Int { self.held.withLock { $0.count } }

    func request(
        kind: UInt16,
        slot: UInt16,
        epoch: UInt64,
        payload: ByteBuffer,
        to router: String,
        deadline: NIODeadline,
        completion: @escaping @Sendable (Result<MeshResponse, MeshError>) -> Void
    ) {
        self.held.withLock { $0.append(completion) }
    }

    func notify(kind: UInt16, payload: ByteBuffer, to router: String, class trafficClass: TrafficClass) -> SendOutcome {
        .queued
    }

    func answerOldest(_ outcome: UInt8) {
        let completion = self.held.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        completion?(Self.result(outcome))
    }

    private static func result(_ outcome: UInt8) -> Result<MeshResponse, MeshError> {
        func response(_ status: ResponseStatus, _ body: some WireMessage) -> Result<MeshResponse, MeshError> {
            .success(MeshResponse(status: status.rawValue, payload: body.encoded()))
        }
        switch outcome % 5 {
        case 0: return response(.ok, Accepted(seq: 1, createdAt: 1_800_000_000_000, duplicate: outcome & 8 != 0))
        case 1:
            let codes = ErrorCode.allCases
            return response(.failed, FailureBody(Failure(codes[Int(outcome) % codes.count], Self.scripted)))
        case 2: return response(.moved, RoutingNews(map: nil, views: []))
        case 3: return .failure(MeshError(.linkLost, mayHaveArrived: true, Self.scripted))
        default: return .failure(MeshError(.deadlineExceeded, mayHaveArrived: true, Self.scripted))
        }
    }
}

/// Closes the sending side the way a socket does: embedded channels would close altogether. Put before all others.
final class HalfClosingHandler: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch mode {
        case .output: promise?.succeed()
        case .all, .input: context.close(mode: mode, promise: promise)
        }
    }
}
