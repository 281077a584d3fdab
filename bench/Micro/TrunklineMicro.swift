// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

@main
struct TrunklineMicro: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trunkline-micro",
        abstract: "Measures the parts of Trunkline one by one.",
        discussion: """
            Without a subcommand it runs the benchmarks that need nothing but a processor. Build it with \
            `swift build -c release --product trunkline-micro`: figures of a debug build mean nothing.
            """,
        subcommands: [RunCommand.self, StorageCommand.self],
        defaultSubcommand: RunCommand.self
    )
}
