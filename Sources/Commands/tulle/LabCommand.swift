import ArgumentParser

struct LabCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lab",
        abstract: "A cluster on this machine: nodes are network namespaces, the host stays untouched.",
        subcommands: [WalkCommand.self])
}
