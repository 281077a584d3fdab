// SPDX-License-Identifier: Apache-2.0

/// A mistake that is planted on purpose, to see whether the audit objects.
package enum Defect: String, CaseIterable, Sendable {
    /// The router answers as soon as it has sent the transaction.
    case acknowledgeBeforeCommit = "acknowledge-before-commit"
    /// The storage takes what an outdated owner writes.
    case skipEpochCheck = "skip-epoch-check"
    /// An edge does not tell the routers of one user in ten who came to it.
    case loseAttachAnnouncement = "lose-attach-announcement"
    /// A router does not tell an edge of one change in five in an audience that it then names by its number.
    case loseAudienceNews = "lose-audience-news"
    /// One delivery in 10,000 is left out, and nobody is told.
    case dropOneInTenThousand = "drop-one-in-10000"
    /// After a change of owner a repeat is stored as if it were new.
    case forgetDeduplication = "forget-deduplication"
    /// A router leaves a change out of what it answers to a sync.
    case forgetChange = "forget-change"
    /// One event in fifty that tells of receipts is left out, and nobody is told.
    case dropReceipts = "drop-receipts"
    /// Who was removed is still sent what comes after.
    case deliverAfterRemoval = "deliver-after-removal"
}
