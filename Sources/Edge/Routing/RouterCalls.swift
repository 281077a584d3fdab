// SPDX-License-Identifier: Apache-2.0

package import Messaging
package import Placement
package import Wire

/// What the REST routes ask routers for: the part of the edge's router client that they see.
///
/// Every call is bounded in time by its implementation and fails with what the client is to be told.
/// May be called from any thread.
package protocol RouterCalls: Sendable {
    /// Asks the owner of a slot.
    ///
    /// - Parameter timeout: the whole time the call may take, retries included; nil for the cluster's `request`.
    func call<Response: WireMessage>(
        _ kind: RequestKind,
        slot: Slot,
        body: some WireMessage,
        timeout: Duration?
    ) async throws(Failure) -> Response

    /// The profiles of the users that exist, in no order: one request for each owner of their slots.
    func users(_ users: [UserID]) async throws(Failure) -> [UserProfile]

    /// What a list shows of the conversations that `user` is a member of, in no order: one request for each owner.
    func conversationSummaries(
        _ conversations: [ConversationID],
        of user: UserID
    ) async throws(Failure) -> [ConversationSummary]

    /// Has a message stored, by the same way as `send_message`.
    func submit(_ submit: Submit) async throws(Failure) -> Accepted
}
