import Glibc
import Netlink
import Testing

@testable import Lab

@Suite("the directory of a walk")
struct WalkDirectoryTests {
    @Test("a directory is left alone while its walk lives, and removed afterwards") func stale() throws {
        let scratch = try Scratch()
        var living: WalkDirectory? = try WalkDirectory(in: scratch.path)
        let other = try WalkDirectory(in: scratch.path)
        let path = try #require(living?.path)
        #expect(path != other.path)
        try Files.makeDirectories(path + "/node-1/state")
        try Files.write([], to: path + "/node-1/agent.log")
        try Files.makeDirectories(scratch.path + "/something-else")
        WalkDirectory.removeStale(in: scratch.path)
        #expect(access(path + "/node-1/agent.log", F_OK) == 0)
        living = nil
        WalkDirectory.removeStale(in: scratch.path)
        #expect(access(path, F_OK) != 0)
        #expect(access(other.path, F_OK) == 0)
        try other.remove()
        #expect(Files.names(in: scratch.path) == ["something-else"])
    }

    @Test("a link with a walk's name is not followed") func link() throws {
        let scratch = try Scratch()
        try Files.makeDirectories(scratch.path + "/precious")
        #expect(symlink(scratch.path + "/precious", scratch.path + "/tulle-walk.abcdef") == 0)
        WalkDirectory.removeStale(in: scratch.path)
        #expect(Files.names(in: scratch.path) == ["precious", "tulle-walk.abcdef"])
    }

    @Test("a socket's path that is too long is refused before anything is made, with how much") func length() throws {
        let scratch = try Scratch()
        let directory = scratch.path + "/" + String(repeating: "d", count: 90)
        let error = #expect(throws: LabError.self) {
            try Walk(
                objects: try scratch.write(twoPods, to: "objects.yaml"), programs: try programs(), directory: directory,
                say: { _ in }
            ).run()
        }
        #expect(error?.code == .directoryUnusable)
        let excess = "\(directory)/node-1/state/cni.sock".utf8.count - 107
        #expect(error?.remedy == "name a place that is \(excess) bytes shorter with --directory")
        #expect(access(directory, F_OK) != 0)
        // Whatever the nodes are called, the walk's own place is short enough.
        let names = (0..<1000).map { String(repeating: "n", count: 250) + "\($0)" }
        try WalkDirectory.checkLength(WalkDirectory.template(in: "/run"), nodes: names)
        #expect(Set(names.enumerated().map { WalkDirectory.node($1, $0, in: "/run") }).count == names.count)
    }

    @Test(
        "a directory that cannot be made is refused in words, with what to do",
        arguments: [
            ("there", "file exists", "not there yet"),
            ("not/there", "no such file or directory", "mkdir -p "),
            ("file/there", "not a directory", "a part of this path is a file"),
            (String(repeating: "x", count: 300), "file name too long", "shorter"),
        ])
    func words(_ name: String, _ words: String, _ remedy: String) throws {
        let scratch = try Scratch()
        try Files.makeDirectories(scratch.path + "/there")
        _ = try scratch.write("", to: "file")
        let error = #expect(throws: LabError.self) { try WalkDirectory(named: "\(scratch.path)/\(name)") }
        #expect(error?.message == "make \(scratch.path)/\(name): \(words)")
        #expect(error?.remedy.contains(remedy) == true)
    }

    @Test("a place where root may not write is told from one that is full")
    func rights() {
        // Root may write everywhere but where the file system says no.
        #expect(NewDirectory.refusal("/a/b", Errno(rawValue: EROFS)).remedy.hasPrefix("root must be able to write in /a"))
        #expect(NewDirectory.refusal("/a/b", Errno(rawValue: EACCES)).remedy.hasPrefix("root must be able to write in /a"))
        #expect(NewDirectory.refusal("/a/b", Errno(rawValue: ENOSPC)).remedy.hasPrefix("make room"))
    }

    @Test(
        "a host name is a name's first 63 bytes without a dash or dot at its end",
        arguments: [
            ("web-0", "web-0"),
            (String(repeating: "a", count: 63), String(repeating: "a", count: 63)),
            (String(repeating: "a", count: 64), String(repeating: "a", count: 63)),
            (String(repeating: "a", count: 60) + "-.-bcd", String(repeating: "a", count: 60)),
            // Only what is cut is trimmed.
            ("-web-", "-web-"),
        ])
    func hostNames(_ name: String, _ cut: String) { #expect(HostName.cut(name) == cut) }
}
