// SPDX-License-Identifier: Apache-2.0

/// A sentence of the contract that a run broke.
package struct Violation: CustomStringConvertible, Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        case acknowledgedButLost = "acknowledged-but-lost"
        case storedTwice = "stored-twice"
        case numbersWithGaps = "numbers-with-gaps"
        case epochsOverlap = "epochs-overlap"
        case deviceDiffers = "device-differs"
        case deliveredToStranger = "delivered-to-stranger"
        case orderOfSender = "order-of-sender"
        case refused
        case gapInCalm = "gap-in-calm"
        case repeatedInCalm = "repeated-in-calm"
        case gapUntold = "gap-untold"
        case receiptLost = "receipt-lost"
        case receiptsWentBack = "receipts-went-back"
        case receiptsDiffer = "receipts-differ"
        case notSettled = "not-settled"
    }

    package var kind: Kind
    package var detail: String

    package var description: String { "\(self.kind.rawValue): \(self.detail)" }
}
