// SPDX-License-Identifier: Apache-2.0

import Messaging
import Storage
import Wire

/// Requests that only read users, names and a user's list of conversations.
enum UserReads {
    static func perform(_ call: Call, _ readers: ShardReaders) throws(FieldError) {
        switch call.kind {
        case .resolveUsername:
            let request = try ResolveUsername(decoding: call.payload)
            readers.answer(call) { (session) throws(StorageError) in
                .ok(ResolvedUsername(user: try session.resolveUsername(request.username)))
            }
        case .getCredentials:
            let request = try GetCredentials(decoding: call.payload)
            readers.answer(call) { (session) throws(StorageError) in
                guard let stored = try session.credentials(of: request.user) else {
                    return .failed(Failure(.unknownUser, "There is no such user."))
                }
                return .ok(Wire.Credentials(profile: stored.profile, passwordHash: stored.passwordHash))
            }
        case .getUsers:
            let request = try GetUsers(decoding: call.payload)
            readers.answer(call) { (session) throws(StorageError) in
                .ok(UserList(users: try session.profiles(request.users)))
            }
        case .listConversations:
            let request = try ListConversations(decoding: call.payload)
            readers.answer(call) { (session) throws(StorageError) in
                let limit = min(max(1, Int(request.limit)), Limits.pageRowsMax)
                let ids = try session.listUserConversations(request.user, after: request.after, limit: limit)
                // A full page may have been the last one; the next, empty, tells.
                return .ok(ConversationIDList(conversations: ids, hasMore: ids.count == limit))
            }
        default:
            preconditionFailure("\(call.kind) is not a read of a user")
        }
    }
}
