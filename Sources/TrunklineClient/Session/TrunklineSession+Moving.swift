// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import NIOCore

/// Going to another edge because this one asks for it: at a moment of its own, without a pause and without an attempt that
/// fails. What has no answer by then is sent again on the new connection, as after any other end.
extension TrunklineSession {
    func askedToMove(_ request: Reconnect) {
        guard case .open(let socket) = self.phase else { return }
        let window = TimeAmount.milliseconds(Int64(max(0, request.withinMilliseconds)))
        let moment = TimeAmount.nanoseconds(Int64.random(in: 0...window.nanoseconds, using: &self.generator))
        self.eventLoop.assumeIsolated().scheduleTask(in: moment) {
            // It may have ended, or be on another connection by now.
            guard case .open(let current) = self.phase, current === socket else { return }
            self.move(from: socket, to: request.edge.flatMap { socket.edge.neighbour($0) })
        }
    }

    private func move(from socket: TrunklineSocket, to edge: EdgeAddress?) {
        self.statistics.moves += 1
        self.statistics.disconnections += 1
        // From here on nothing that the socket says counts, its end least of all.
        self.phase = .waiting
        socket.close()
        self.forgetConnection()
        self.leave(for: edge)
        self.emit(.disconnected(TrunklineError(.askedToMove, "The edge asked to connect elsewhere."), pause: .zero))
        guard case .waiting = self.phase else { return }
        self.connect()
    }
}
