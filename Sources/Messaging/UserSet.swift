// SPDX-License-Identifier: Apache-2.0

/// Users, each once, in no order that means anything. Adding, removing and asking for one costs the same for ten and for a
/// hundred thousand, and all of them are at hand as an array.
package struct UserSet: Sendable {
    /// Up to so many are looked through; beyond, their places are kept.
    private static let lookedThroughMax = 32

    package private(set) var users: [UserID]
    private var places: [UserID: Int]?

    /// - Parameter users: each once.
    package init(_ users: [UserID] = []) {
        self.users = users
        self.keepPlaces()
    }

    package var count: Int { self.users.count }
    package var isEmpty: Bool { self.users.isEmpty }

    package func contains(_ user: UserID) -> Bool {
        self.place(of: user) != nil
    }

    /// Returns whether it was not there.
    @discardableResult
    package mutating func insert(_ user: UserID) -> Bool {
        guard self.place(of: user) == nil else { return false }
        self.users.append(user)
        self.places?[user] = self.users.count - 1
        if self.places == nil { self.keepPlaces() }
        return true
    }

    /// Returns whether it was there.
    @discardableResult
    package mutating func remove(_ user: UserID) -> Bool {
        guard let place = self.place(of: user) else { return false }
        let last = self.users.removeLast()
        self.places?[user] = nil
        if last != user {
            self.users[place] = last
            self.places?[last] = place
        }
        return true
    }

    private func place(of user: UserID) -> Int? {
        self.places.map { $0[user] } ?? self.users.firstIndex(of: user)
    }

    private mutating func keepPlaces() {
        guard self.users.count > Self.lookedThroughMax else { return }
        self.places = Dictionary(
            self.users.enumerated().map { ($0.element, $0.offset) },
            uniquingKeysWith: { first, _ in first }
        )
    }
}
