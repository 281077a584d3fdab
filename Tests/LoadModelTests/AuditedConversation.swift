// SPDX-License-Identifier: Apache-2.0

import LoadModel

/// What happened in one conversation, to be shown to the audit: the acknowledgements first, then what the devices were
/// handed over. Message k was sent by device k mod 3.
struct AuditedConversation {
    typealias Message = (seq: UInt64, message: UInt32)

    static let devices = [0, 1, 2]
    static let number = 1

    var acknowledgements: [Message]
    /// Nil when it could not be read.
    var history: [HistoryAudit.StoredMessage]?
    /// By device, in the order in which they were handed over.
    var deliveries: [Int: [Message]]
    /// Numbers that a device was handed over with another body.
    var altered: [Int: [UInt64]] = [:]
    var absent: Set<Int> = []
    /// Event loops; a device is on the one of its number modulo this.
    var loops = 1

    /// Message k has the number k + 1, and all is well.
    init(messages: Int = 12) {
        let entries = Self.entries(0..<messages)
        self.acknowledgements = entries
        self.history = entries.map { HistoryAudit.StoredMessage(seq: $0.seq, message: $0.message) }
        self.deliveries = Dictionary(uniqueKeysWithValues: Self.devices.map { ($0, entries) })
    }

    static func entries(_ messages: some Sequence<Int>) -> [Message] {
        messages.map { (UInt64($0) + 1, UInt32($0)) }
    }

    private static func sender(_ message: UInt32) -> Int { Int(message % 3) }

    func audits() -> [LiveAudit] {
        (0..<self.loops).map { loop in
            let loops = self.loops
            let plan = LiveAudit.Plan(sender: Self.sender, isHere: { $0 % loops == loop })
            let here = Self.devices.filter { $0 % loops == loop }
            var audit = LiveAudit(plan, devices: [[], here])
            for entry in self.acknowledgements where Self.sender(entry.message) % loops == loop {
                audit.acknowledged(Self.number, seq: entry.seq, message: entry.message)
            }
            // In turn, as the loop would bring them.
            let longest = here.map { self.deliveries[$0]?.count ?? 0 }.max() ?? 0
            for turn in 0..<longest {
                for device in here {
                    guard let index = audit.index(of: .init(device: device, conversation: Self.number)),
                        let list = self.deliveries[device], turn < list.count
                    else { continue }
                    audit.saw(index, seq: list[turn].seq, message: list[turn].message)
                }
            }
            for (device, seqs) in self.altered where device % loops == loop {
                guard let index = audit.index(of: .init(device: device, conversation: Self.number)) else { continue }
                for seq in seqs { audit.sawAltered(index, seq: seq) }
            }
            return audit
        }
    }

    func judge(_ audits: [LiveAudit]) -> AuditResult {
        var result = audits.reduce(into: AuditResult()) { $0.merge($1.seen) }
        let loops = self.loops
        var end = HistoryAudit(
            conversation: Self.number,
            plan: LiveAudit.Plan(sender: Self.sender),
            ledgers: audits.map { $0.ledgers[Self.number] },
            ledgerOf: { $0 % loops },
            devices: Self.devices.map { device in
                let progress = audits[device % loops].progress(of: .init(device: device, conversation: Self.number))
                return HistoryAudit.Device(
                    device: device,
                    progress: progress ?? DeviceProgress(),
                    isAbsent: self.absent.contains(device)
                )
            },
            belongs: { $0 < 1_000_000 }
        )
        for entry in self.history ?? [] { end.take(entry) }
        result.merge(end.finish(isReadable: self.history != nil))
        return result
    }

    func run() -> AuditResult { self.judge(self.audits()) }
}
