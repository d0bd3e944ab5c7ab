import ArgumentParser

struct DNSCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dns",
        abstract: "Serve the cluster's names, or ask for one and see why it is answered so.",
        discussion: """
            Examples:
              tulle dns                             in a pod (deploy/tulle-dns.yaml)
              tulle dns serve --objects cluster.yaml --listen 127.0.0.1 --port 5353
              tulle dns query web.shop.svc.cluster.local
            """,
        subcommands: [DNSServe.self, DNSQuery.self], defaultSubcommand: DNSServe.self)
}
