// SPDX-License-Identifier: Apache-2.0

import Wire

/// The credit that this node has granted to a peer, counted in items and in bytes of whole frames.
///
/// Credit is given back in batches of a quarter of the window, so that it costs a frame per quarter and not one per
/// item. Nothing can get stuck by that: a peer without credit has the whole window under way, so what is not given back
/// yet reaches a quarter when the rest is released.
struct CreditLedger: Sendable {
    let itemsMax: Int
    let bytesMax: Int
    /// Used by the peer and not given back to it, whether released or not.
    private(set) var heldItems = 0
    private(set) var heldBytes = 0
    private var releasedItems = 0
    private var releasedBytes = 0

    init(itemsMax: Int, bytesMax: Int) {
        self.itemsMax = itemsMax
        self.bytesMax = bytesMax
    }

    /// The peer used credit.
    ///
    /// - Returns: false when it used more than it had, which is an offence. A frame may take the bytes below zero once,
    ///   so that a frame larger than what is left, or than the window, can be sent at all.
    mutating func use(items: Int, bytes: Int) -> Bool {
        self.heldItems += items
        self.heldBytes += bytes
        return self.heldItems <= self.itemsMax && self.heldBytes < self.bytesMax + FrameLimits.frameBytesMax
    }

    /// What the peer used is done with.
    mutating func release(items: Int, bytes: Int) {
        self.releasedItems += items
        self.releasedBytes += bytes
    }

    /// Whether enough is released for a credit frame.
    var isDue: Bool {
        self.releasedItems >= max(1, self.itemsMax / 4) || self.releasedBytes >= max(1, self.bytesMax / 4)
    }

    /// What to give back now, if enough is released.
    mutating func takeDue() -> CreditFrame? {
        guard self.isDue else { return nil }
        let frame = CreditFrame(items: UInt32(self.releasedItems), bytes: UInt32(self.releasedBytes))
        self.heldItems -= self.releasedItems
        self.heldBytes -= self.releasedBytes
        self.releasedItems = 0
        self.releasedBytes = 0
        return frame
    }
}
