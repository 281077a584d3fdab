// SPDX-License-Identifier: Apache-2.0

internal import Messaging

extension Auditor {
    mutating func checkPresence() {
        for device in self.record.devices {
            let allowed = self.record.everShared(with: device.user)
            for sighting in device.sightings {
                self.result.sightings += 1
                self.check(sighting, of: device, allowed)
            }
        }
        for difference in Self.presenceDifferences(self.record) { self.result.note(difference) }
    }

    private mutating func check(_ sighting: PresenceSighting, of device: DeviceRecord, _ allowed: Set<Int>) {
        let text = "\(device.name) was told that user \(sighting.user) is \(sighting.status.name)"
        if !allowed.contains(sighting.user) {
            self.result.note(Violation(.presenceLeaked, at: sighting.at, "\(text), and shares no conversation with it"))
        } else if self.record.hiddenUsers.contains(sighting.user), sighting.status != .offline || sighting.hasLastSeen {
            self.result.note(
                Violation(
                    .presenceLeaked,
                    at: sighting.at,
                    "\(text)\(sighting.hasLastSeen ? ", and since when," : ""), who is visible to nobody"
                )
            )
        }
    }

    /// Every device that is there at the end, and every user with whom its user shares a conversation then, where the
    /// device shows something else than is so.
    package static func presenceDifferences(_ record: RunRecord) -> [Violation] {
        let truths = Dictionary(record.presence.map { ($0.user, $0) }, uniquingKeysWith: { first, _ in first })
        return record.devices.filter { !$0.isAway }.flatMap { device in
            record.sharing(with: device.user).sorted().compactMap { user -> Violation? in
                guard let truth = truths[user] else { return nil }
                return self.difference(truth, device.presence[user], device)
            }
        }
    }

    private static func difference(
        _ truth: PresenceTruth,
        _ shown: PresenceSighting?,
        _ device: DeviceRecord
    ) -> Violation? {
        let text = "\(device.name), of user \(truth.user) who is \(truth.status.name):"
        guard let shown else { return Violation(.presenceDiffers, "\(text) was told nothing") }
        guard shown.status == truth.status else {
            return Violation(.presenceDiffers, at: shown.at, "\(text) was told \(shown.status.name) last")
        }
        guard let hasLastSeen = truth.hasLastSeen, shown.hasLastSeen != hasLastSeen else { return nil }
        return Violation(
            .presenceDiffers,
            at: shown.at,
            "\(text) was told \(shown.hasLastSeen ? "a" : "no") time of leaving"
        )
    }
}

extension RunRecord {
    /// With whom a user shares a conversation at the end.
    fileprivate func sharing(with user: Int) -> Set<Int> {
        self.shared(with: user) { Set($0.joinedSeqs.keys) }
    }

    /// With whom a user shared a conversation at some time, if perhaps not at the same.
    fileprivate func everShared(with user: Int) -> Set<Int> {
        let added = Dictionary(grouping: self.membershipChanges.filter { $0.kind == .added }, by: \.conversation)
        return self.shared(with: user) { conversation in
            Set(conversation.stayers).union(conversation.joinedSeqs.keys)
                .union((added[conversation.number] ?? []).map(\.user))
        }
    }

    private func shared(with user: Int, _ members: (ConversationRecord) -> Set<Int>) -> Set<Int> {
        var all: Set<Int> = []
        for conversation in self.conversations {
            let members = members(conversation)
            if members.contains(user) { all.formUnion(members) }
        }
        return all.subtracting([user])
    }
}
