// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import LoadModel
import Messaging
import NIOCore
import TrunklineClient

/// Devices whose users come into a conversation and go out of it.
extension LoadLoop {
    struct Guest {
        var conversation: Int
        var audit = GuestAudit()
    }

    /// Of the devices on this loop.
    static func guests(_ topology: Topology, _ number: Int) -> [Int: Guest] {
        var guests: [Int: Guest] = [:]
        for (conversation, users) in topology.guests.enumerated() {
            for device in users.flatMap({ topology.devices(ofUser: $0) }) where topology.loop(of: device) == number {
                guests[device] = Guest(conversation: conversation)
            }
        }
        return guests
    }

    func receivedByGuest(_ message: DeliveredMessage, _ conversation: Int, _ device: Int) {
        guard self.guests[device]?.conversation == conversation else { return }
        let user = self.plan.topology.user(ofDevice: device)
        guard let number = self.shared.identity.message(of: message.clientMessageID, in: self.plan) else {
            let text = "a message that was not sent here"
            self.audit.note(Violation(.foreign, conversation: conversation, seq: message.seq, user: user, text))
            return
        }
        if message.body != self.shared.bodies.body(of: number) {
            let text = "another body than was sent"
            self.audit.note(Violation(.altered, conversation: conversation, seq: message.seq, user: user, text))
        }
        let finding = self.guests[device]?.audit.saw(message.seq, due: self.plan.time(of: number))
        if let finding {
            self.audit.note(Violation(finding, seq: message.seq, conversation: conversation, user: user))
        }
    }

    /// Changes what is known of the devices of a guest on this loop.
    func changeGuest(_ user: Int, _ change: (inout GuestAudit) -> Void) {
        for device in self.plan.topology.devices(ofUser: user) {
            if var guest = self.guests[device] {
                change(&guest.audit)
                self.guests[device] = guest
            }
        }
    }

    /// The user is a member now: its devices take what comes from there, and ask for what came already.
    func guestEntered(_ user: Int, after head: UInt64) {
        for device in self.plan.topology.devices(ofUser: user) {
            guard let number = self.guests[device]?.conversation, let session = self.sessions[device] else { continue }
            let conversation = self.shared.population.conversations[number]
            if session.position(in: conversation) == nil {
                session.follow(conversation, after: head)
            } else {
                session.catchUp(conversation)
            }
        }
    }

    /// Whether the devices of a guest on this loop have all that they are certain to get.
    func guestHasReached(_ user: Int, _ head: UInt64, _ firstCertain: UInt64?, asks: Bool) -> Bool {
        var hasReached = true
        for device in self.plan.topology.devices(ofUser: user) {
            guard let guest = self.guests[device], !guest.audit.hasReached(head, firstCertain: firstCertain) else {
                continue
            }
            hasReached = false
            if asks { self.sessions[device]?.catchUp(self.shared.population.conversations[guest.conversation]) }
        }
        return hasReached
    }

    /// Cuts the connection of a device of this loop; it comes back by itself.
    func cut(_ device: Int) {
        guard !self.isClosing, let session = self.sessions[device], session.isOpen else { return }
        self.returns.drops(device)
        session.drop()
    }
}
