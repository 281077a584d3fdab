// SPDX-License-Identifier: Apache-2.0

package import Messaging

package struct ReceiptKey: Sendable, Hashable {
    package var conversation: Int
    package var user: Int

    package init(conversation: Int, user: Int) {
        self.conversation = conversation
        self.user = user
    }
}

/// What one device knows of the receipts of one member.
package struct ReceiptView: Sendable, Equatable {
    /// Where a number came that was smaller than what the device had been told before, and must not be.
    package struct Backstep: Sendable, Equatable {
        package var from: Watermarks
        package var to: Watermarks
        package var at: Microseconds

        package init(from: Watermarks, to: Watermarks, at: Microseconds) {
            self.from = from
            self.to = to
            self.at = at
        }
    }

    /// Of one device about one member; further ones are not kept.
    package static let backstepsMax = 4

    /// The largest numbers that it was told.
    package private(set) var watermarks = Watermarks.zero
    package private(set) var backsteps: [Backstep] = []

    package init() {}

    /// The device was told so much.
    ///
    /// - Parameter known: what it has to cover: what the device knew when it asked, or nothing for an event, which may come
    ///   twice or late.
    package mutating func told(_ watermarks: Watermarks, known: Watermarks = .zero, at: Microseconds) {
        if !watermarks.covers(known), self.backsteps.count < Self.backstepsMax {
            self.backsteps.append(Backstep(from: known, to: watermarks, at: at))
        }
        self.watermarks.formUnion(watermarks)
    }
}
