// SPDX-License-Identifier: Apache-2.0

/// The known word that a mistyped one is most likely to stand for.
package enum Suggestion {
    /// Longer words are cut before they are compared, so that a hostile key costs little.
    private static let charactersMax = 64

    /// Nil when nothing is near: more than a third of the characters differ.
    package static func nearest(to word: String, among known: some Sequence<String>) -> String? {
        let word = Array(word.lowercased().prefix(Self.charactersMax))
        let allowed = max(2, word.count / 3)
        let ranked = known.map { (name: $0, distance: Self.distance(word, Array($0.lowercased()))) }
        guard let best = ranked.min(by: { ($0.distance, $0.name) < ($1.distance, $1.name) }), best.distance <= allowed
        else { return nil }
        return best.name
    }

    /// Insertions, deletions and replacements that turn one word into the other (Levenshtein).
    static func distance(_ one: [Character], _ other: [Character]) -> Int {
        var previous = Array(0...other.count)
        for (row, character) in one.enumerated() {
            var current = [row + 1]
            for (column, candidate) in other.enumerated() {
                let replaced = previous[column] + (character == candidate ? 0 : 1)
                current.append(min(replaced, previous[column + 1] + 1, current[column] + 1))
            }
            previous = current
        }
        return previous[other.count]
    }
}
