// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import LoadModel

#if canImport(Glibc)
    import Glibc
#endif

@main
enum TrunklineLoad {
    static func main() async {
        let arguments = CommandLine.arguments.dropFirst()
        if arguments.first == CompareCommand.name { exit(Self.compare(Array(arguments.dropFirst()))) }
        let command: LoadCommand
        do {
            command = try LoadCommand.parse()
        } catch {
            exit(Self.tell(error, of: LoadCommand.self))
        }
        signal(SIGPIPE, SIG_IGN)
        if let part = command.part.part { exit(await PartProcess(command, part: part).run()) }
        exit(await LoadRun(command).run().rawValue)
    }

    private static func compare(_ arguments: [String]) -> Int32 {
        do {
            return try CompareCommand.parse(arguments).compare().rawValue
        } catch {
            return Self.tell(error, of: CompareCommand.self)
        }
    }

    /// A wrong command line has one exit code in both commands; help and version are no errors.
    private static func tell<Command: ParsableCommand>(_ error: any Error, of command: Command.Type) -> Int32 {
        let text = command.fullMessage(for: error)
        guard command.exitCode(for: error) == .success else {
            StandardError.write(text + "\n")
            return Verdict.usage.rawValue
        }
        print(text)
        return 0
    }
}
