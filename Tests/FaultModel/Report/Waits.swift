// SPDX-License-Identifier: Apache-2.0

/// A span in which something was waited for.
package struct Wait: Sendable, Equatable {
    package var from: Microseconds
    package var until: Microseconds

    package init(from: Microseconds, until: Microseconds) {
        self.from = from
        self.until = until
    }

    package var duration: Microseconds { self.until - self.from }
}

/// The waits of a run, of five kinds.
package struct Waits: Sendable {
    /// From the first attempt to send a message to its acknowledgement, of every steady sender.
    package private(set) var acknowledgement: [Wait] = []
    /// Between one acknowledgement and the next, whoever got it.
    package private(set) var anyAcknowledgement: [Wait] = []
    /// From the acknowledgement of a message to its arrival, of every device that is always there and did not send it.
    package private(set) var delivery: [Wait] = []
    /// Between one live delivery and the next, wherever it arrived.
    package private(set) var anyDelivery: [Wait] = []
    /// While a device that is always there showed somebody as connected who was not, or the other way round.
    package private(set) var presence: [Wait] = []

    package init(_ record: RunRecord) {
        let end = record.endedAt
        self.acknowledgement = record.sends.map { message in
            Wait(from: message.firstSentAt, until: message.acknowledgedAt ?? end)
        }
        self.anyAcknowledgement = Self.gaps(record.sends.compactMap(\.acknowledgedAt))
        self.anyDelivery = Self.gaps(
            record.devices.flatMap { device in device.deliveries.filter { $0.way == .live }.map(\.at) }
        )
        self.delivery = Self.deliveries(record)
        self.presence = PresenceWaits.waits(record)
    }

    private static func gaps(_ times: [Microseconds]) -> [Wait] {
        let sorted = times.sorted()
        return zip(sorted, sorted.dropFirst()).map { Wait(from: $0, until: $1) }
    }

    private struct Place: Hashable {
        var conversation: Int
        var seq: UInt64
    }

    private static func deliveries(_ record: RunRecord) -> [Wait] {
        var acknowledged: [Int: [(seq: UInt64, at: Microseconds)]] = [:]
        for message in record.sends {
            guard let first = message.acknowledgements.first else { continue }
            acknowledged[message.conversation, default: []].append((first.seq, first.at))
        }
        var waits: [Wait] = []
        for device in record.devices where device.behaviour.isSteady {
            var arrivals: [Place: Microseconds] = [:]
            var own: Set<Place> = []
            for delivery in device.deliveries {
                let place = Place(conversation: delivery.conversation, seq: delivery.seq)
                if delivery.way == .own { own.insert(place) }
                arrivals[place] = min(arrivals[place] ?? delivery.arrivedAt, delivery.arrivedAt)
            }
            for conversation in record.conversations where conversation.stayers.contains(device.user) {
                for (seq, at) in acknowledged[conversation.number] ?? [] {
                    let place = Place(conversation: conversation.number, seq: seq)
                    guard !own.contains(place) else { continue }
                    waits.append(Wait(from: at, until: max(at, arrivals[place] ?? record.endedAt)))
                }
            }
        }
        return waits
    }
}

/// Finds, for every window, the longest wait that reaches into it. A wait counts from its own begin, and no further than to
/// the end of the window: what comes after has another cause.
package enum LongestWait {
    /// - Returns: In the order of the windows; 0 where nothing was waited for.
    package static func longest(_ waits: [Wait], in windows: [Wait]) -> [Microseconds] {
        var longest = [Microseconds](repeating: 0, count: windows.count)
        let order = windows.indices.sorted { windows[$0].from < windows[$1].from }
        // Windows may overlap, so every one that begins before a wait ends is looked at, from the latest back, until
        // none can reach the wait any more.
        var reach: [Microseconds] = []
        for index in order { reach.append(max(reach.last ?? .min, windows[index].until)) }
        for wait in waits {
            var position = Self.firstIndex(of: order, where: { windows[$0].from > wait.until }) - 1
            while position >= 0, reach[position] >= wait.from {
                let index = order[position]
                if windows[index].until >= wait.from {
                    longest[index] = max(longest[index], min(wait.until, windows[index].until) - wait.from)
                }
                position -= 1
            }
        }
        return longest
    }

    /// The first position whose element fits; those that fit stand at the end.
    private static func firstIndex(of order: [Int], where fits: (Int) -> Bool) -> Int {
        var low = 0
        var high = order.count
        while low < high {
            let middle = (low + high) / 2
            if fits(order[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
