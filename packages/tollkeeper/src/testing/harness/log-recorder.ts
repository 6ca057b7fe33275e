/** Records log lines. */
import type { Logger } from "../../runtime.ts";

export interface LogLine {
  level: "debug" | "info" | "warn" | "error";
  fields: object;
  message: string;
}

/** Returns a logger that appends each log line to the array `lines`. */
export function createLogRecorder(lines: LogLine[]): Logger {
  const at = (level: LogLine["level"]) => (fields: object, message: string) =>
    void lines.push({ level, fields, message });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
