import CNI
import Cluster
import Glibc
import Netlink
import Testing

@testable import Agent

@Suite("where a runtime finds the plugin")
struct PluginInstallationTests {
    private let directory: TemporaryDirectory
    private let installation: PluginInstallation

    init() throws {
        directory = try TemporaryDirectory()
        installation = PluginInstallation(
            binaries: "\(directory.path)/opt/cni/bin", configurations: "\(directory.path)/etc/cni/net.d")
    }

    private func tulle(_ words: String...) throws -> Program.Outcome {
        try Program.run(
            [try Program.product("tulle"), "cni"] + words + [
                "--bin-dir", installation.binaries, "--conf-dir", installation.configurations,
            ])
    }

    @Test("install writes the plugin and the configuration, a second time neither, and uninstall removes them")
    func command() throws {
        let (binary, file) = (installation.binaryPath, installation.configurationPath)
        #expect(try tulle("install") == .init(status: 0, output: "wrote \(binary)\nwrote \(file)\n"))
        #expect(
            try tulle("install") == .init(status: 0, output: "\(binary) is as it should be\n\(file) is as it should be\n"))
        let version = try Program.run([binary], environment: ["CNI_COMMAND": "VERSION"])
        #expect(version.document?["supportedVersions"] != nil)
        let list = try SmallJSON(reading: Array(directory.read("etc/cni/net.d/10-tulle.conflist").utf8))
        #expect(list["plugins"]?.array?.count == 1)
        // A runtime from before 1.1.0 takes the first key, and refused every result of 1.1.0.
        #expect(list["cniVersion"] == "1.0.0" && list["cniVersions"] == ["1.0.0", "1.1.0"])
        #expect(list["plugins"]?.array?.first?["capabilities"]?["portMappings"] == true)
        #expect(
            directory.names(in: "etc/cni/net.d") == ["10-tulle.conflist"] && directory.names(in: "opt/cni/bin") == ["tulle-cni"])
        for draft in ["etc/cni/net.d/.10-tulle.conflist.new", "opt/cni/bin/.tulle-cni.new"] {
            try directory.write("half", to: draft)
        }
        #expect(try tulle("uninstall") == .init(status: 0, output: "removed \(file)\nremoved \(binary)\n"))
        #expect(directory.names(in: "etc/cni/net.d") == [] && directory.names(in: "opt/cni/bin") == [])
        #expect(try tulle("uninstall").output.hasPrefix("nothing of Tulle is in "))
    }

    @Test("uninstall leaves what somebody else wrote, and says so")
    func foreign() throws {
        let (binary, file) = (installation.binaryPath, installation.configurationPath)
        func left(_ path: String) -> String { "left \(path): Tulle did not write it; remove it if nobody needs it\n" }
        #expect(try tulle("install").status == 0)
        // A chain that somebody made of ours, and another's program of this name.
        let chain = #"{"name": "tulle", "plugins": [{"type": "tulle-cni"}, {"type": "tuning"}]}"#
        try directory.write(chain, to: "etc/cni/net.d/10-tulle.conflist")
        #expect(try tulle("uninstall") == .init(status: 0, output: "removed \(binary)\n\(left(file))"))
        #expect(directory.read("etc/cni/net.d/10-tulle.conflist") == chain)
        try directory.write("#!/bin/sh\nexec /run/tulle/cni.sock\n", to: "opt/cni/bin/tulle-cni")
        #expect(try tulle("uninstall") == .init(status: 0, output: left(file) + left(binary)))
        for text in ["", "{}", #"{"name": "other", "plugins": [{"type": "tulle-cni"}]}"#] {
            try directory.write(text, to: "etc/cni/net.d/10-tulle.conflist")
            #expect(try tulle("uninstall").output == left(file) + left(binary), "\(text)")
        }
        // What an agent elsewhere is found by is ours all the same.
        #expect(try tulle("install", "--socket", "/run/elsewhere.sock").status == 0)
        directory.remove("opt/cni/bin/tulle-cni")
        try #require(symlink("/proc/self/exe", binary) == 0)
        #expect(try tulle("uninstall") == .init(status: 0, output: "removed \(file)\n\(left(binary))"))
    }

    @Test("another plugin's configuration that comes first is named, and ours is not written without --force")
    func rivals() throws {
        try Disk.makePublicDirectory(installation.configurations)
        try directory.write("{}", to: "etc/cni/net.d/05-other.conf")
        try directory.write("{}", to: "etc/cni/net.d/00-notes.txt")
        try directory.write("{}", to: "etc/cni/net.d/20-later.conflist")
        // Chains that somebody else wrote around our plugin; the third leads to another agent.
        for (name, socket) in [("06", installation.socket), ("08", "/run/another.sock")] {
            try directory.write(
                #"{"plugins":[{"type":"tulle-cni","agentSocket":"\#(socket)"},{"type":"tuning"}]}"#,
                to: "etc/cni/net.d/\(name)-chain.conflist")
        }
        try directory.write(#"{"type":"tulle-cni"}"#, to: "etc/cni/net.d/07-alone.conf")
        #expect(try installation.rivals() == ["05-other.conf", "08-chain.conflist"])
        directory.remove("etc/cni/net.d/08-chain.conflist")
        #expect(try tulle("install").status == 69)
        #expect(!Disk.isThere(installation.configurationPath) && !Disk.isThere(installation.binaryPath))
        #expect(try tulle("install", "--force").status == 0)
        #expect(try tulle("install", "--bin-only").status == 0)
    }

    // Pods got another plugin's network, and nothing said so after the agent's first minute.
    @Test("a configuration that comes before ours is a problem as long as it is there, and none before ours is")
    func shadowed() throws {
        let installation = installation
        let bench = try PodBench("192.0.2.0/29", settings: { $0.installation = installation })
        func problems() -> [String] {
            bench.service.tidy()
            return bench.service.attachments().problems.map(\.description)
        }
        #expect(problems() == [])
        try installation.installConfiguration()
        #expect(problems() == [])
        try directory.write("{}", to: "etc/cni/net.d/20-later.conflist")
        try directory.write("{}", to: "etc/cni/net.d/05-other.conf")
        #expect(
            problems() == [
                "error plugin-shadowed: the runtime takes \(installation.configurations)/05-other.conf before 10-tulle.conflist, "
                    + "and gives its pods to another plugin; remove the other configuration, or give it a name that sorts behind ours"
            ])
        directory.remove("etc/cni/net.d/05-other.conf")
        #expect(problems() == [])
    }

    @Test("what is no program is not installed, and a relative directory is refused")
    func wrong() throws {
        try directory.write("#!/bin/sh\n", to: "script")
        #expect(try tulle("install", "--plugin", "\(directory.path)/script").status == 1)
        #expect(!Disk.isThere(installation.binaryPath))
        #expect(try Program.run([try Program.product("tulle"), "cni", "install", "--bin-dir", "bin"]).status == 64)
    }

    @Test("a kill between any two steps leaves the old file or the new one, and no other that a runtime reads")
    func kills() throws {
        try Disk.makePublicDirectory(installation.configurations)
        let path = installation.configurationPath
        let steps = DiskStep.publishing(Array("new".utf8), to: path, mode: 0o644)
        for count in 0...steps.count {
            try Disk.write(Array("old".utf8), to: path)
            for step in steps.prefix(count) { try step.carryOut() }
            let text = String(decoding: try Disk.read(path), as: UTF8.self)
            #expect(text == (count == steps.count ? "new" : "old"))
            #expect(directory.names(in: "etc/cni/net.d").filter { $0.hasSuffix(".conflist") } == ["10-tulle.conflist"])
            unlink("\(installation.configurations)/.10-tulle.conflist.new")
        }
    }
}

@Suite("flannel's file")
struct FlannelFileTests {
    private func file(_ own: [String], _ ranges: [String]) throws -> FlannelFile {
        FlannelFile(own: try own.map(net), ranges: try ranges.map(net), mtu: 1450, masquerades: false)
    }

    @Test("says this node's range with its first address, and one range around all")
    func text() throws {
        let file = try file(
            ["10.244.1.0/24", "fd00:10:244:1::/64"],
            ["10.244.0.0/24", "10.244.1.0/24", "10.244.255.0/24", "fd00:10:244:1::/64", "fd00:10:244:ff::/64"])
        #expect(
            file.text == """
                FLANNEL_NETWORK=10.244.0.0/16
                FLANNEL_SUBNET=10.244.1.1/24
                FLANNEL_IPV6_NETWORK=fd00:10:244::/56
                FLANNEL_IPV6_SUBNET=fd00:10:244:1::1/64
                FLANNEL_MTU=1450
                FLANNEL_IPMASQ=false

                """)
    }

    @Test("is not written without a range, and a node alone has its own")
    func alone() throws {
        #expect(try file([], ["10.244.0.0/24"]).text == nil)
        #expect(try file(["10.244.1.0/24"], []).text?.hasPrefix("FLANNEL_NETWORK=10.244.1.0/24\n") == true)
    }

    @Test("the writer writes what has changed, and again what somebody removed")
    func writer() throws {
        let directory = try TemporaryDirectory()
        var writer = FlannelWriter("\(directory.path)/run/flannel/subnet.env")
        let log = PodBench.silence
        writer.write(nil, log)
        #expect(!Disk.isThere(writer.path))
        writer.write(try file(["10.244.1.0/24"], []), log)
        let text = directory.read("run/flannel/subnet.env")
        #expect(text.contains("FLANNEL_SUBNET=10.244.1.1/24"))
        unlink(writer.path)
        writer.write(try file(["10.244.1.0/24"], []), log)
        #expect(directory.read("run/flannel/subnet.env") == text)
        writer.write(try file(["10.244.2.0/24"], []), log)
        #expect(directory.read("run/flannel/subnet.env").contains("FLANNEL_SUBNET=10.244.2.1/24"))
        #expect(directory.names(in: "run/flannel") == ["subnet.env"])
    }
}

extension KernelTests {
    @Suite("the agent and its neighbours on the node")
    struct AgentFileTests {
        @Test("the agent writes the plugin and its configuration when it is ready, and flannel's file")
        func files() throws {
            let node = try TestNode()
            let path = node.directory.path
            try node.launch(source: [
                "--node", "n1", "--objects", "\(path)/objects.yaml", "--install-cni", "--cni-bin-dir", "\(path)/bin",
                "--cni-conf-dir", "\(path)/net.d", "--flannel-env", "\(path)/flannel/subnet.env",
            ])
            try eventually("the files; there is \(node.log)") { Disk.isThere("\(path)/net.d/10-tulle.conflist") }
            #expect(node.isReady)
            let list = try SmallJSON(reading: Array(node.directory.read("net.d/10-tulle.conflist").utf8))
            #expect(list["plugins"]?.array?.first?["agentSocket"]?.string == "\(path)/state/cni.sock")
            #expect(access("\(path)/bin/tulle-cni", X_OK) == 0)
            try eventually("flannel's file") { Disk.isThere("\(path)/flannel/subnet.env") }
            #expect(
                node.directory.read("flannel/subnet.env") == """
                    FLANNEL_NETWORK=10.244.0.0/22
                    FLANNEL_SUBNET=10.244.1.1/24
                    FLANNEL_IPV6_NETWORK=fd00:10:244::/62
                    FLANNEL_IPV6_SUBNET=fd00:10:244:1::1/64
                    FLANNEL_MTU=1500
                    FLANNEL_IPMASQ=true

                    """)
            node.stop()
        }
    }
}
