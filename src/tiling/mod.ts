// Schedules and their choice.

export {
  checkSchedule,
  chooseSchedule,
  type Cost,
  costOf,
  UNTILED,
  type WasmSchedule,
} from "./schedule.ts";
