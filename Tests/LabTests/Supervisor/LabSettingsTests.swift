import Addressing
import KubeAPI
import Testing

@testable import Lab

@Suite("what a lab is asked to be")
struct LabSettingsTests {
    private func prefixes(_ texts: String...) -> [IPPrefix] { texts.compactMap { IPPrefix($0) } }

    @Test("the usual lab is right, and is the same after it was written and read") func usual() throws {
        let settings = LabSettings(images: [try #require(ImageCatalogue.Entry(text: "web/*=python3 -m http.server"))], pods: 4)
        #expect(settings.faults == [])
        #expect(try LabSettings(settings.json) == settings)
        #expect(settings.addresses(ofNode: 0).map(\.description) == ["172.30.0.11", "fd30::b"])
        #expect(settings.serverAddresses.map(\.description) == ["172.30.0.1", "fd30::1"])
        #expect(settings.serviceAddress?.description == "10.96.0.1")
    }

    @Test("the wire between the nodes goes out of the way of pods and services") func segments() {
        let settings = LabSettings(podPrefixes: prefixes("172.30.0.0/16", "fd30::/56"))
        #expect(settings.faults == [])
        #expect(settings.segments.map(\.description) == ["172.29.0.0/24", "fd31::/64"])
    }

    @Test("a node's part of a small prefix is as large as all nodes allow") func lengths() throws {
        let small = LabSettings(nodes: 4, families: [.v4], podPrefixes: prefixes("10.1.0.0/24"))
        #expect(small.faults == [])
        #expect(small.nodeLength(try #require(small.podPrefixes.first)) == 26)
        let one = LabSettings(nodes: 1, families: [.v4], podPrefixes: prefixes("10.1.0.0/24"))
        #expect(one.nodeLength(try #require(one.podPrefixes.first)) == 24)
        let usual = LabSettings()
        #expect(usual.podPrefixes.map(usual.nodeLength) == [24, 64])
    }

    @Test(
        "every fault names its option",
        arguments: [
            (LabSettings(nodes: 101), "--nodes 101"), (LabSettings(pods: 1001), "--pods 1001"),
            (LabSettings(name: "a_b"), "--name a_b"), (LabSettings(name: ""), "--name "),
            (LabSettings(families: [.v6], podPrefixes: [IPPrefix("10.0.0.0/8")].compactMap(\.self)), "the lab has no IPv4"),
            (LabSettings(podPrefixes: [IPPrefix("169.254.0.0/16")].compactMap(\.self)), "link-local"),
            (LabSettings(podPrefixes: ["10.1.0.0/16", "10.2.0.0/16"].compactMap { IPPrefix($0) }), "one prefix of IPv4"),
            (LabSettings(nodes: 60, podPrefixes: [IPPrefix("10.1.0.0/28")].compactMap(\.self)), "no room for 60 nodes"),
            (LabSettings(servicePrefixes: [IPPrefix("fd00::/64")].compactMap(\.self)), "--service-cidr fd00::/64"),
            (LabSettings(podPrefixes: [IPPrefix("10.0.0.0/8")].compactMap(\.self)), "overlap"),
        ])
    func faults(_ settings: LabSettings, _ words: String) {
        #expect(settings.faults.contains { $0.contains(words) }, "\(settings.faults)")
    }

    @Test(
        "an image is a pattern and what runs for it",
        arguments: [
            ("web/*=python3 -m http.server", ImageCatalogue.Program.command(["python3", "-m", "http.server"])),
            ("a=echo", .echo), ("a=idle", .idle), ("a=b=c", .command(["b=c"])),
        ])
    func images(_ text: String, _ program: ImageCatalogue.Program) {
        #expect(ImageCatalogue.Entry(text: text)?.program == program)
        #expect(ImageCatalogue.Entry(text: text)?.text == text)
    }

    @Test("an image without a command is none", arguments: ["web", "web=", "web=  ", ""]) func noImages(_ text: String) {
        #expect(ImageCatalogue.Entry(text: text) == nil)
    }

    @Test("damaged settings are refused, not guessed", arguments: ["{}", #"{"name":"lab","nodes":3,"families":["IPv4"]}"#])
    func damaged(_ text: String) throws {
        let tree = try JSONReader().value(text)
        let error = #expect(throws: LabError.self) { try LabSettings(tree) }
        #expect(error?.code == .stateUnusable)
    }

    @Test("what a supervisor announces is read back") func announcements() {
        let all: [Supervisor.Announcement] = [
            .step("fabric", "172.30.0.0/24, “quoted” \"too\"\nand on"), .ready, .failed("no\nway", code: .portInUse),
        ]
        for announcement in all {
            #expect(!announcement.line.contains("\n"))
            #expect(Supervisor.Announcement(announcement.line) == announcement)
        }
        #expect(Supervisor.Announcement("Segmentation fault") == nil)
    }
}
