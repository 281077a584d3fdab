// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore
import NIOPosix
import Synchronization
import TransportSecurity
import Wire

/// Finds out whether a router would take this node as one of its cluster, without becoming one: it goes through the
/// handshake of one lane and closes. A link needs two, so the router never has one.
///
/// Where links speak TLS it shows the certificates of its settings, and the router has to show one of its own name.
package struct MeshProbe: Sendable {
    package enum Outcome: Sendable, Equatable {
        /// Both have the same cluster, secret and protocol.
        case accepted
        case refused(Refusal)
        /// There is no connection, or no answer on it, for this reason.
        case unreachable(String)
    }

    private let settings: MeshSettings
    private let group: any EventLoopGroup

    /// - Parameter settings: `connectTimeout` and `handshakeTimeout` bound the time that it takes.
    package init(settings: MeshSettings, group: any EventLoopGroup) {
        self.settings = settings
        self.group = group
    }

    /// - Parameter identity: an edge's, of a name that no node has; with TLS, that of the node whose certificate is shown,
    ///   which keeps the links that it has.
    package func ask(_ router: MeshPeer, as identity: PeerIdentity) async -> Outcome {
        let answer = Answer(self.group.next().makePromise())
        let reports = LaneHandler.Reports(
            established: { lane, _ in
                answer.set(.accepted)
                lane.channel.close(promise: nil)
            },
            settled: { _ in answer.set(.unreachable("the connection was closed during the handshake")) },
            refused: { refusal, _ in answer.set(.refused(refusal)) }
        )
        ClientBootstrap(group: self.group)
            .connectTimeout(self.settings.connectTimeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try self.settings.certificates?.secureDialled(channel)
                    try channel.pipeline.syncOperations.addHandler(
                        LaneHandler(
                            handshake: self.handshake(with: router, as: identity),
                            settings: self.settings,
                            reports: reports,
                            dialled: router
                        )
                    )
                }
            }
            .connect(host: router.host, port: router.port)
            .whenFailure { answer.set(.unreachable(Self.reason($0))) }
        return (try? await answer.future.get()) ?? .unreachable("no answer")
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { Self.reason($0.error) } ?? "no address of \(error.host) could be used"
        case let error as IOError:
            String(cString: strerror(error.errnoCode))
        default:
            "\(error)"
        }
    }

    private func handshake(with router: MeshPeer, as identity: PeerIdentity) -> Handshake {
        var configuration = Handshake.Configuration(
            identity: identity,
            cluster: self.settings.cluster,
            secret: self.settings.secret,
            creditItems: self.settings.creditItems,
            creditBytes: self.settings.creditBytes
        )
        configuration.requiresCertificate = self.settings.certificates != nil
        let side = Handshake.Side.dialler(
            peerName: router.name,
            peerRole: router.role,
            lane: .control,
            linkID: UInt64.random(in: 1...UInt64.max)
        )
        // The system's generator is the cryptographic one.
        let nonce = (0..<HelloFrame.nonceBytes).map { _ in UInt8.random(in: 0...UInt8.max) }
        return Handshake(configuration: configuration, side: side, nonce: nonce)
    }

    /// The first word counts: a lane that is refused is closed next.
    private final class Answer: Sendable {
        private let promise: EventLoopPromise<Outcome>
        private let isSet = Atomic(false)

        init(_ promise: EventLoopPromise<Outcome>) {
            self.promise = promise
        }

        var future: EventLoopFuture<Outcome> { self.promise.futureResult }

        func set(_ outcome: Outcome) {
            if !self.isSet.exchange(true, ordering: .relaxed) { self.promise.succeed(outcome) }
        }
    }
}
