// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import LoadModel
import Messaging
import NIOCore
import TrunklineClient

/// Devices that are away at first and come back.
extension LoadLoop {
    /// Since when a device is on its way back, and how far it had come.
    struct Return {
        var since: NIODeadline?
        var position: UInt64
    }

    /// Ends the sessions of those that are to be away, before anything is sent.
    func leave(until comingBack: NIODeadline) {
        let topology = self.plan.topology
        for device in topology.awayDevices where topology.loop(of: device) == self.number {
            guard let session = self.sessions.removeValue(forKey: device) else { continue }
            self.away[device] = Return(since: nil, position: self.position(of: device))
            self.awayCredentials[device] = session.credentials
            session.close()
            self.sync.devices += 1
        }
        guard !self.away.isEmpty else { return }
        self.eventLoop.assumeIsolated().scheduleTask(deadline: comingBack) { self.comeBack() }
    }

    private func comeBack() {
        guard !self.isClosing else { return }
        for (device, credentials) in self.awayCredentials {
            self.away[device]?.since = .now()
            self.makeSession(device, credentials, after: self.position(of: device)).start()
        }
        self.awayCredentials = [:]
    }

    /// Everything that came before its connection was handed over.
    func caughtUp(_ device: Int) {
        guard let since = self.away[device]?.since, let before = self.away.removeValue(forKey: device)?.position else {
            return
        }
        self.sync.back += 1
        self.sync.missed += Int(clamping: self.position(of: device) - before)
        self.sync.timeToBeCurrent.record(nanoseconds: (NIODeadline.now() - since).nanoseconds)
    }

    /// In its only conversation.
    private func position(of device: Int) -> UInt64 {
        let conversations = self.plan.topology.conversations[self.plan.topology.user(ofDevice: device)]
        guard let conversation = conversations.first else { return 0 }
        return self.audit.progress(of: LiveAudit.Place(device: device, conversation: conversation))?.position ?? 0
    }
}
