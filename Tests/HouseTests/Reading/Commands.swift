/// The scripts and the words of our programs, read from where they are declared.
struct Commands {
    /// By program, what its `commandName`s are.
    private let subcommands: [String: Set<String>]

    init() throws {
        var subcommands: [String: Set<String>] = ["tulle-cni": [], "tulle-pod": []]
        for (program, folder) in [("tulle", "Sources/Commands/tulle"), ("tulle-bench", "Benchmarks")] {
            let text = try Repository.swift(in: folder).flatMap(\.lines).joined(separator: "\n")
            subcommands[program] = Set(text.matches(of: #/commandName: "([a-z-]+)"/#).map { String($0.1) })
        }
        subcommands["tulle-bench", default: []].insert("api-server")
        self.subcommands = subcommands
    }

    /// Why a line of a code block cannot be run; nil when it can, or when it is none of our commands.
    func refusal(of line: String) throws -> String? {
        var words = line.split(separator: " ").prefix { !$0.hasPrefix("#") }.map(String.init)
        words.removeFirst(words.prefix { $0 == "sudo" || $0 == "$" || $0.contains("=") }.count)
        guard let first = words.first else { return nil }
        if first.hasPrefix("scripts/") {
            guard Repository.isExecutable(first) else { return "there is no \(first)" }
            return first == "scripts/bench" ? unknown(words.dropFirst(), of: "tulle-bench") : nil
        }
        let program = first.split(separator: "/").last.map(String.init) ?? first
        return subcommands[program]?.isEmpty == false ? unknown(words.dropFirst(), of: program) : nil
    }

    /// The first plain word that is no subcommand. Options, paths and what follows them are not looked at.
    private func unknown(_ words: some Sequence<String>, of program: String) -> String? {
        let plain = words.prefix { !$0.isEmpty && $0.allSatisfy { $0 == "-" || $0.isLowercase } && !$0.hasPrefix("-") }
        return plain.first { subcommands[program]?.contains($0) == false }.map { "\(program) has no \($0)" }
    }
}
