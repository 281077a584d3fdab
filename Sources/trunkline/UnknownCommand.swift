// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration

/// A command that does not exist: the parser would only call its name an unexpected argument.
enum UnknownCommand {
    /// Nil when the words that stand where commands do are commands.
    static func problem(in arguments: [String]) -> String? {
        var command: any ParsableCommand.Type = Trunkline.self
        var path = ["trunkline"]
        var words = arguments.makeIterator()
        while let word = words.next() {
            if word == "--config" { _ = words.next() }
            guard !word.hasPrefix("-") else { continue }
            let below = command.configuration.subcommands
            if let next = below.first(where: { $0._commandName == word }) {
                command = next
                path.append(word)
                continue
            }
            // What follows a command without others below it are its arguments; a command of its own may stand for a group.
            guard !below.isEmpty, command.configuration.defaultSubcommand == nil, word != "help" else { return nil }
            let names = below.map { $0._commandName }
            let place = path.joined(separator: " ")
            let nearest = Suggestion.nearest(to: word, among: names).map { "did you mean `\(place) \($0)`? " } ?? ""
            return "there is no command `\(place) \(word)`\n       \(nearest)`\(place) --help` lists them"
        }
        return nil
    }
}
