// Inputs through a task's own schema, at enqueue and before the handler.
import { InputRefusedError } from "../core/errors.ts";
import type { Task } from "../core/task.ts";

/**
 * A stored or given input through its task's schema.
 * @throws InputRefusedError with the schema's issues.
 */
export async function validateInput(task: Task | undefined, input: unknown): Promise<unknown> {
  if (task?.schema === undefined) return input;
  const result = await task.schema["~standard"].validate(input);
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map((issue) => {
    const path = (issue.path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join(".");
    return { path, message: issue.message };
  });
  const first = issues[0];
  const field = first === undefined || first.path === "" ? "input" : `input.${first.path}`;
  throw new InputRefusedError(`${field}: ${first?.message ?? "refused by the task's schema"}`, {
    field,
    details: { task: task.name, issues },
  });
}
