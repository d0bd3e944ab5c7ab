import ArgumentParser
import NameServer

/// The first words of a command line, which say what is to be done.
///
/// The parser takes one that it does not know for an argument of the command that is run where none is named, and shows that one's usage.
enum CommandWords {
    /// Commands that are run where none is named, and whose first word is somebody's name.
    private static let withNames: [any ParsableCommand.Type] = [LabNodeRun.self]

    /// What is wrong with the first word that names no command; `nil` when the parser may go on.
    static func fault(in words: [String], of root: any ParsableCommand.Type) -> String? {
        var (command, path) = (root, [name(root)])
        for word in words {
            guard !command.configuration.subcommands.isEmpty, !word.hasPrefix("-"), word != "help" else { return nil }
            if let next = command.configuration.subcommands.first(where: { name($0) == word }) {
                command = next
                path.append(word)
                continue
            }
            let known = command.configuration.subcommands.filter { $0.configuration.shouldDisplay }.map { name($0) }
            let near = Spelling.nearest(to: word, among: known)
            if let usual = command.configuration.defaultSubcommand, withNames.contains(where: { $0 == usual }),
                near == nil || words.contains("--")
            {
                return nil
            }
            let path = path.joined(separator: " ")
            let remedy = near.map { "did you mean \($0)? See" } ?? "there are \(known.joined(separator: ", ")); see"
            return "\(path): “\(word)” is no command; \(remedy) \(path) --help"
        }
        return nil
    }

    private static func name(_ command: any ParsableCommand.Type) -> String { command.configuration.commandName ?? "" }
}
