import FoundationEssentials

/// The files of this repository, as the tests find them.
enum Repository {
    /// Three folders above this file: Reading, HouseTests, Tests.
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// The text of a file; a path from the root.
    static func text(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: root.appending(path: path)), as: UTF8.self)
    }

    /// Every file below a folder, by its path from the root, in order.
    static func files(in folder: String, ending suffix: String = "") throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: root.appending(path: folder).path)
            .filter { $0.hasSuffix(suffix) && !isDirectory("\(folder)/\($0)") }.map { "\(folder)/\($0)" }.sorted()
    }

    /// The folders right below a folder, by name.
    static func folders(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: root.appending(path: folder).path)
            .filter { isDirectory("\(folder)/\($0)") }.sorted()
    }

    static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: root.appending(path: path).path) }

    static func isExecutable(_ path: String) -> Bool {
        FileManager.default.isExecutableFile(atPath: root.appending(path: path).path)
    }

    private static func isDirectory(_ path: String) -> Bool {
        var answer = false
        return FileManager.default.fileExists(atPath: root.appending(path: path).path, isDirectory: &answer) && answer
    }

    /// The Swift of these folders, read once for all tests.
    static func swift(in folders: String...) throws -> [SourceFile] {
        try allSwift.get().filter { file in folders.contains { file.path.hasPrefix($0 + "/") } }
    }

    private static let allSwift = Result {
        try ["Sources", "Benchmarks", "Tests"].flatMap { try files(in: $0, ending: ".swift") }
            .map { SourceFile(path: $0, text: try text($0)) }
    }
}
