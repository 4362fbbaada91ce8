/** The address of the service: the build fills it in. */
declare const SERVER: string;
