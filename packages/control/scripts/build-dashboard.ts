export const build = async (): Promise<void> => {}
