// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import LoadModel

#if canImport(Glibc)
    import Glibc
#endif

@main
enum TrunklineLoad {
    static func main() async {
        let command: LoadCommand
        do {
            command = try LoadCommand.parse()
        } catch {
            let text = LoadCommand.fullMessage(for: error)
            guard LoadCommand.exitCode(for: error) == .success else {
                StandardError.write(text + "\n")
                exit(Verdict.usage.rawValue)
            }
            print(text)
            exit(0)
        }
        signal(SIGPIPE, SIG_IGN)
        exit(await LoadRun(command).run().rawValue)
    }
}
