// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import NIOCore

/// Commands of a session, in the protocol that was agreed on with the opening handshake.
extension SessionHandler {
    /// A whole message of the kind that the protocol has.
    func messageReceived(_ payload: ByteBuffer) {
        guard !self.session.isClosing else { return }
        switch self.subprotocol {
        case .json: self.textReceived(payload)
        case .binary:
            var commands = BinaryCommands(payload)
            while !self.session.isClosing, let next = commands.next() { self.received(next) }
        }
    }

    private func textReceived(_ text: ByteBuffer) {
        guard text.isUTF8 else { return self.close(.invalidText) }
        self.received(
            Result { () throws(RejectedCommand) in try CommandMessage(json: text.readableBytesView) }
        )
    }

    private func received(_ command: Result<CommandMessage, RejectedCommand>) {
        switch command {
        case .success(let message):
            self.services.metrics.command(message.command.name)
            self.carryOut(self.session.commandReceived(message, now: self.now), id: message.id)
        case .failure(let rejected):
            if let name = rejected.name { self.services.metrics.command(name) }
            self.carryOut(self.session.commandRejected(rejected, now: self.now), id: rejected.id)
        }
    }
}
