import Foundation
import Netlink
import Testing

/// Runs the program `nft` in a namespace and gives what it printed.
func nft(_ arguments: [String], in namespace: NetworkNamespace, input: String? = nil) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/nsenter")
    // The namespace lives by our descriptor: another process enters it through ours.
    process.arguments =
        ["--net=/proc/\(ProcessInfo.processInfo.processIdentifier)/fd/\(namespace.descriptor.rawValue)", "nft"] + arguments
    let output = Pipe()
    let given = Pipe()
    process.standardOutput = output
    process.standardError = output
    process.standardInput = given
    try process.run()
    if let input { given.fileHandleForWriting.write(Data(input.utf8)) }
    try given.fileHandleForWriting.close()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "nft: \(text)")
    return text
}
