import Glibc
import Testing

@testable import Lab

@Suite("the directory of a lab") struct LabDirectoryTests {
    @Test(
        "what was not made for a lab is refused, and never removed", arguments: ["ca", "supervisor.log", "lab.json", "notes.txt"])
    func foreign(_ name: String) throws {
        let scratch = try Scratch()
        let path = scratch.path + "/data"
        try Files.makeDirectories(path)
        try Files.write("mine".utf8, to: "\(path)/\(name)", mode: 0o600)
        let lab = LabDirectory(path)
        let refusal = #expect(throws: LabError.self) { try lab.make(for: LabSettings()) }
        #expect(refusal?.code == .stateUnusable && refusal?.description.contains("holds no lab") == true)
        // `tulle lab down --directory /etc` said that it was taken down.
        let answer = #expect(throws: LabError.self) { try lab.takeDown() }
        #expect(answer?.code == .notUp && answer?.description.contains("holds no lab") == true)
        #expect(Files.text(of: "\(path)/\(name)") == "mine")
    }

    @Test("an empty directory of somebody else's is no lab and stays, and one that is not there is no error") func empty() throws
    {
        let scratch = try Scratch()
        let lab = LabDirectory(scratch.path + "/data")
        #expect(try lab.takeDown() == false)
        try Files.makeDirectories(lab.path)
        #expect(throws: LabError.self) { try lab.takeDown() }
        #expect(access(lab.path, F_OK) == 0)
    }

    @Test("what was made for a lab, or was empty, goes with everything in it", arguments: [true, false])
    func own(_ isThere: Bool) throws {
        let scratch = try Scratch()
        let lab = LabDirectory(scratch.path + "/data")
        if isThere { try Files.makeDirectories(lab.path) }
        try lab.make(for: LabSettings())
        try lab.make(for: LabSettings())
        try Files.makeDirectories(lab.path + "/ca")
        try lab.takeDown()
        #expect(access(lab.path, F_OK) != 0)
    }

    @Test("a stopped lab comes up again at another port, and not with other nodes") func same() {
        var other = LabSettings(name: "one", nodes: 3)
        #expect(other.isSame(as: LabSettings(name: "one", nodes: 3, port: 7000)))
        other.nodes = 4
        #expect(!other.isSame(as: LabSettings(name: "one", nodes: 3)))
    }

    // Whoever was told to look into a log found nothing: it had gone with the lab's directory.
    @Test("the logs of a lab that did not come up are kept beside it until the next one, and go when it is taken down")
    func logs() throws {
        let scratch = try Scratch()
        let lab = LabDirectory(scratch.path + "/data")
        func fail() throws -> String? {
            try lab.make(for: LabSettings())
            try Files.makeDirectories(lab.node("node-1"))
            for log in [lab.supervisorLog, lab.agentLog("node-1")] { try Files.write("why of \(log)".utf8, to: log) }
            defer { lab.remove() }
            return lab.keepLogs()
        }
        for _ in 0..<2 {
            #expect(try fail() == lab.failed)
            #expect(access(lab.path, F_OK) != 0)
            #expect(Files.text(of: lab.failed + "/supervisor.log") == "why of \(lab.supervisorLog)")
            #expect(Files.text(of: lab.failed + "/agent-of-node-1.log") == "why of \(lab.agentLog("node-1"))")
        }
        try lab.make(for: LabSettings())
        #expect(access(lab.failed, F_OK) != 0)
        lab.remove()
        _ = try fail()
        try lab.takeDown()
        #expect(access(lab.failed, F_OK) != 0)
        // Another lab may be called so.
        let other = LabDirectory(lab.failed)
        try other.make(for: LabSettings())
        try lab.make(for: LabSettings())
        try lab.takeDown()
        #expect(other.isLab)
        try other.takeDown()
        // What somebody else calls so is his.
        try Files.makeDirectories(lab.failed)
        try Files.write("mine".utf8, to: lab.failed + "/supervisor.log")
        #expect(try fail() == nil)
        try lab.takeDown()
        #expect(Files.text(of: lab.failed + "/supervisor.log") == "mine")
    }
}
