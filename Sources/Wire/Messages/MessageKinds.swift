// SPDX-License-Identifier: Apache-2.0

/// What a request frame asks for. Numbers are never used again for something else.
///
/// Requests that are addressed to a slot carry it in the frame with the epoch of the view that the sender used, and
/// are answered by the slot's owner only; any other router answers ``ResponseStatus/moved``.
package enum RequestKind: UInt16, Sendable, CaseIterable {
    // Slot of the conversation.
    case submit = 1
    case createConversation = 2
    case getConversation = 3
    case updateConversation = 4
    case deleteConversation = 5
    case addMembers = 6
    case setMemberRole = 7
    case removeMember = 8
    case readMessages = 9

    // Slot of the conversation, about receipts.
    case storeReceipts = 14
    case getMessageStatus = 15
    case getReceipts = 16

    // Slot of the username.
    case registerUser = 20
    case resolveUsername = 21

    // Slot of the user.
    case getCredentials = 30
    case putDevice = 31
    case rotateRefreshToken = 32
    case revokeDevice = 33
    case listConversations = 34
    case setPresence = 38

    // Several slots of one owner; the frame carries the first one.
    case getUsers = 40
    case conversationSummaries = 41
    case compareHeads = 44
    case readReceipts = 45

    // Slot that an outbox entry is addressed to; from router to router.
    case applyOutbox = 50

    // To any router, for it to pass on.
    case displaceSession = 60

    // From a router to edges.
    case settleDeliveries = 61

    // From router to router, for it to pass on to edges.
    case relay = 62

    // To each router, about itself.
    case syncChanges = 70

    // From a router to any node, about itself.
    case operateNode = 80
}

/// What a notification frame tells. Numbers are never used again for something else.
package enum NotificationKind: UInt16, Sendable, CaseIterable {
    // From a router to edges.
    case deliver = 1
    case conversationEvent = 2
    case routing = 3
    case sessionDisplaced = 4
    case audience = 5
    case relayed = 6
    case receipts = 8
    case deliveryProgress = 10
    case presenceStates = 12
    case presenceWanted = 13
    case typingTold = 14

    // From a router to routers.
    case relayReach = 40

    // From an edge to routers.
    case attachment = 20
    case sessionUnknown = 21
    case presenceReport = 30
    case presenceDigest = 31
    case presenceStatesWanted = 32
    case typing = 33
}

/// How a request ended.
package enum ResponseStatus: UInt8, Sendable, CaseIterable {
    /// The body is the response that belongs to the request.
    case ok = 0
    /// This router is not the owner. The body is a ``RoutingNews``; nothing was done.
    case moved = 1
    /// The body is a ``FailureBody``.
    case failed = 2
    /// What ``Submit/previous`` names is not stored here, so nothing was done. Empty body.
    case outOfOrder = 3
}
