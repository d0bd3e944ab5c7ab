import ArgumentParser

struct LabCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lab",
        abstract: "A cluster on this machine: nodes are network namespaces, the host stays untouched.",
        discussion: """
            Examples:
              tulle lab up                    three nodes, and a kubeconfig for kubectl
              tulle lab ping                  who reaches whom
              tulle lab down                  nothing is left
              tulle lab walk examples/two-pods.yaml    one packet, hop by hop, without an API server

            \(LabExit.codes) A command run by exec or node ends as itself.

            Shell completion: tulle --generate-completion-script bash
            """,
        subcommands: [
            LabUp.self, LabStatus.self, LabDown.self, LabExec.self, LabLogs.self, LabNodeCommand.self, LabBackend.self,
            LabPing.self,
            LabKubeconfig.self, LabTest.self, WalkCommand.self, LabSupervise.self, LabServe.self,
        ])
}
