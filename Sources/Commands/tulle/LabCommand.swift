import ArgumentParser

struct LabCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lab",
        abstract: "A cluster on this machine: nodes are network namespaces, the host stays untouched.",
        subcommands: [
            LabUp.self, LabStatus.self, LabDown.self, LabExec.self, LabLogs.self, LabNodeCommand.self, LabPing.self,
            LabKubeconfig.self, LabTest.self, WalkCommand.self, LabSupervise.self, LabServe.self,
        ])
}
